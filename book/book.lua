-- book.lua — a pandoc filter that makes the pages of the book.
-- Usage: pandoc -f gfm --lua-filter=book/book.lua -M out=DIR -M part=lessons|1|2 lessons.md
-- Run it where lessons.md is. It writes into DIR the lessons and what is made of them, or one half of
-- the sources, and leaves nothing for pandoc to print. What it cannot read (a question without an
-- answer, a link to nowhere) ends it.

local stringify, walk = pandoc.utils.stringify, pandoc.walk_block
local out

-- -- files and texts ------------------------------------------------------------------------------

-- What is in a file; nothing, of a folder.
local function read(path)
  local file = io.open(path, 'rb')
  local text = file and file:read('a')
  if file then file:close() end
  return text
end

local folders = {}
local function write(path, text)
  local folder = out .. '/' .. (path:match('^(.*)/') or '')
  folders[folder] = folders[folder] or os.execute(("mkdir -p '%s'"):format(folder))
  local file = assert(io.open(out .. '/' .. path, 'wb'))
  assert(file:write(text))
  assert(file:close())
end

local function output_of(command, ...)
  local pipe = assert(io.popen(command:format(...)))
  local lines = {}
  for line in pipe:lines() do lines[#lines + 1] = line end
  pipe:close()
  return lines
end

local function lines_of(text)
  local lines = {}
  for line in (text:gsub('\n?$', '\n')):gmatch('(.-)\n') do lines[#lines + 1] = line end
  return lines
end

local function escaped(text)
  return (text:gsub('[&<>"]', {['&'] = '&amp;', ['<'] = '&lt;', ['>'] = '&gt;', ['"'] = '&quot;'}))
end

-- What is to be read of some HTML.
local function plain(html)
  local names = {lt = '<', gt = '>', quot = '"', amp = '&', ['#39'] = "'"}
  local joins = {a = '', code = '', em = '', span = '', strong = ''}  -- what is no word's end
  return (html:gsub('</?(%l*)[^>]*>', function(tag) return joins[tag] or ' ' end):gsub('&(#?%w+);', names):gsub('%s+', ' '))
end

-- A string as JavaScript writes it.
local function quoted(text)
  return "'" .. text:gsub("['\\]", '\\%0'):gsub('\n', '\\n'):gsub('%c', '') .. "'"
end

-- -- pages ----------------------------------------------------------------------------------------

-- The pages that are cut from the text, in its order: {name, number, title, header, parts, before,
-- after}; a part is {page, id, title, level, blocks, html}.
local lessons = {}
local page_of, title_of = {}, {}  -- of an anchor: the page that it is on, the heading that it stands for
local others = {
  {name = 'exercises', title = 'Exercises'}, {name = 'words', title = 'Words'}, {name = 'index-of-words', title = 'Index'},
  {name = 'figures', title = 'Figures'}, {name = 'playground', title = 'Playground'}, {name = 'print', title = 'Print'},
}

local function contents(root, current)
  local html = {}
  local function add(page, text)
    html[#html + 1] = ('<a href="%s%s.html" title="%s"%s>%s</a>'):format(root, page.name, escaped(page.title),
      page.name == current and ' aria-current="page"' or '', text)
  end
  for _, lesson in ipairs(lessons) do if lesson.number then add(lesson, lesson.number) end end
  for _, page in ipairs(others) do add(page, page.title) end
  return table.concat(html, '\n')
end

local function write_page(page)
  local root = ('../'):rep(select(2, page.name:gsub('/', '')))
  local head, around = {}, {('<a href="%sindex.html">Contents</a>'):format(root)}
  local function beside(other, relation, text, at)
    if not other then return end
    head[#head + 1] = ('<link rel="%s" href="%s.html">'):format(relation, other.name)
    text = text:format(escaped(other.title))
    table.insert(around, at, ('<a href="%s.html" rel="%s">%s</a>'):format(other.name, relation, text))
  end
  beside(page.before, 'prev', '← %s', 1)
  beside(page.after, 'next', '%s →', #around + 1)
  write(page.name .. '.html', (read('book/page.html'):gsub('%$(%l+)%$', {
    root = root, name = page.name, title = escaped(page.title), kind = page.kind or 'plain', body = page.body,
    head = table.concat(head, '\n'), contents = contents(root, page.name), around = table.concat(around, '\n')})))
end

-- Of the colours that pandoc gives to code, those that are used.
local colours = 'at kw cf dt st ch sc vs va dv bn fl cn co do pp im'

local function html_of(blocks)
  local html = pandoc.write(pandoc.Pandoc(blocks), 'html'):gsub(' id="cb%d+"', '')
    :gsub('[^\n]*', function(line)  -- a number for each line of code is not needed
      local start, text, rest = line:match('^(.*)<span id="cb%d+%-%d+"><a [^>]*></a>(.*)</span>(.-)$')
      return start and start .. text .. rest
    end)
    :gsub('<span class="(%l%l)">([^<]*)</span>', function(kind, text)
      return colours:find(kind) and ('<span class=%s>%s</span>'):format(kind, text) or text
    end)
  return (html:gsub('<table', '<div class="table"><table'):gsub('</table>', '</table></div>'))
end

-- Has a page of its own: what is here, and is neither a picture nor all of them. (A copy for a class
-- may lack what its lessons name.)
local function is_source(path)
  local file = path ~= '' and path ~= 'figures' and not path:match('%.svg$') and io.open(path)
  return file and file:close()
end

-- As it stands in lessons.md, as it stands on this page.
local function relinked(blocks, page)
  return walk(pandoc.Div(blocks), {
    Link = function(link)
      local path, anchor = link.target:match('^([^#]*)#?(.*)$')
      if path == '' then
        local there = page_of[anchor] or error('lessons.md: there is no place #' .. anchor)
        link.target = (there == page.name and '' or there .. '.html') .. '#' .. anchor
      elseif path == 'figures' then
        link.target = 'figures.html'
      elseif is_source(path) then
        link.classes:insert('file')
        link.attributes['data-file'] = path
        link.target = 'source/' .. path .. '.html' .. (anchor:match('^L%d+$') and '#' .. anchor or '')
      end
      return link
    end,
    Header = function(header)
      header.level = math.max(1, header.level - 1)  -- a page has one title
      return header
    end,
  }).content
end

-- -- what stands in a lesson ----------------------------------------------------------------------

local function raw(html, ...) return pandoc.RawBlock('html', html:format(...)) end
local function is_raw(block, pattern) return block and block.t == 'RawBlock' and block.text:match(pattern) end

-- The bold words that a paragraph begins with.
local function lead_of(block)
  local first = block.t == 'Para' and block.content[1]
  return first and first.t == 'Strong' and stringify(first) or ''
end

local function asks_for_a_guess(block)
  return block.t == 'Para' and block.content:find_if(function(inline)
    return inline.t == 'Strong' and stringify(inline):match('^Predict')
  end)
end

-- The lines of `a`, and those of `b`, that the other has otherwise, as "3-7 12-12".
local function differing(a, b)
  local left, right = {}, {}
  local function note(list, first, last) list[#list + 1] = first .. '-' .. (last ~= '' and last or first) end
  for _, line in ipairs(output_of("diff '%s' '%s'", a, b)) do
    local first, last, kind, other_first, other_last = line:match('^(%d+),?(%d*)([acd])(%d+),?(%d*)$')
    if kind and kind ~= 'a' then note(left, first, last) end
    if kind and kind ~= 'd' then note(right, other_first, other_last) end
  end
  return table.concat(left, ' '), table.concat(right, ' ')
end

-- Asks for two panes.
local function comparison(a, b)
  local left, right = differing(a, b)
  local function link(path)
    return ('<a class="file" data-file="%s" href="source/%s.html">%s</a>'):format(path, path, path)
  end
  return raw('<p class="compare" data-added data-compare="%s %s" data-differs="%s|%s">Side by side: %s and %s</p>',
    a, b, left, right, link(a), link(b))
end

-- "FILE, line N" above code: which lines are these?
local function excerpt_of(block, code)
  local link = block.t == 'Para' and #block.content == 1 and block.content[1]
  local file, first = (link and link.t == 'Link' and link.target or ''):match('^([^#]+)#L(%d+)$')
  if not file or not code or code.t ~= 'CodeBlock' then return nil end
  return {file = file, first = first, last = first + #lines_of(code.text) - 1}
end

-- Commands, and what comes back, which a guess may cover.
local function console(block, id)
  local html, goes_on = {}, false
  for i, line in ipairs(lines_of(block.text)) do
    local is_command = goes_on or line:match('^%$ ')
    goes_on = is_command and line:match('\\$')
    html[i] = ('<span class="%s">%s</span>'):format(is_command and 'command' or 'output', escaped(line))
  end
  id = id and (' id="%s"'):format(id) or ''
  return raw('<pre class="console"%s><code>%s\n</code></pre>', id, table.concat(html, '\n'))
end

local function picture(source, alt)
  local width, height = assert(read(source), source):match('viewBox="0 0 (%d+)[%d.]* (%d+)')
  -- The bars of a timeline tell their call when they are pointed at; in an <img> they could not.
  local form = '<img src="%s" alt="%s"%s>'
  if source:match('/timeline%-') then form = '<object type="image/svg+xml" data="%s" role="img" aria-label="%s"%s></object>' end
  local size = width and (' width="%d" height="%d"'):format(width, height) or ''
  return raw('<figure class="picture">' .. form .. '</figure>', source, escaped(alt), size)
end

-- Where the question that blocks[i] begins ends, and the form that it is in.
local function question(blocks, i, about, page)
  local kind, id = lead_of(blocks[i]):match('^(%a+) (%d+%.%d+)%.$')
  local choices, right, is_answer = 0, {}, false
  local last = i
  while not is_raw(blocks[last], '^</details>') do
    local block = blocks[last] or error('lessons.md: a question has no end')
    is_answer = is_answer or is_raw(block, '^<details>')
    local order = is_answer and lead_of(block):match('^([%u, ]+)%.$')
    if order then right[#right + 1] = order:gsub(',', '') .. '' end
    for _, item in ipairs(block.t == 'BulletList' and block.content or {}) do
      if not is_answer then choices = choices + 1 end
      if is_answer and kind == 'Quiz' then right[#right + 1] = stringify(item):match('^(%a+): Right%.') end
    end
    last = last + 1
  end
  if not id or #right ~= 1 then error('lessons.md: not one answer to: ' .. stringify(blocks[i])) end
  page.questions = page.questions + 1
  local there = page_of[about] or error('lessons.md: question ' .. id .. ' is about no place: ' .. tostring(about))
  kind = kind == 'Order' and 'order' or choices > 0 and 'choice' or 'true'
  return last, raw('<form class="quiz" data-question="%s" data-kind="%s" data-right="%s" data-about="%s#%s" data-title="%s">',
    id, kind, right[1], there == page.name and '' or there .. '.html', about, escaped(title_of[about]))
end

-- The blocks of a part, with what the page needs around them.
local function dressed(blocks, page)
  local result = pandoc.List()
  local function put(...) for _, block in ipairs({...}) do result:insert(block) end end
  local before, at = nil  -- the last excerpt, and where it ended
  local about             -- what the next question is about
  local i = 1
  while blocks[i] do
    local block, lead = blocks[i], lead_of(blocks[i])
    local is_typed = block.t == 'CodeBlock' and block.classes[1] == 'sh'
    local text = (is_typed or block.t == 'RawBlock') and block.text or ''
    local a, b = text:match('^<!%-%- compare: (%S+) (%S+)')
    if not a then a, b = text:match('^diff (%S+) (%S+)$') end
    if a and is_source(a) and is_source(b) then put(comparison(a, b)) end
    local excerpt = excerpt_of(block, blocks[i + 1])
    if lead ~= '' then page.guess = nil end
    if is_raw(block, '^<!%-%-') then
      about = text:match('^<!%-%- about: (%S+)') or about
    elseif lead:match('^Quiz ') or lead:match('^Order ') then
      local last, form = question(blocks, i, about, page)
      put(form, table.unpack(blocks, i, last))
      put(raw('</form>'))
      i, about = last, nil
    elseif lead:match('^Recall ') then
      put(raw('<div class="recall">'))
      repeat put(blocks[i]); i = i + 1 until is_raw(blocks[i], '^</details>')
      put(blocks[i], raw('</div>'))
    elseif asks_for_a_guess(block) then
      page.guesses = page.guesses + 1
      page.guess = page.name .. '-guess-' .. page.guesses  -- until its output comes, perhaps in a later part
      put(raw('<div class="predict" data-guess="%s">', page.guess), block, raw('</div>'))
    elseif excerpt then
      excerpt.tag = raw('<figure class="excerpt" data-file="%s" data-first="%d" data-last="%d">',
        excerpt.file, excerpt.first, excerpt.last)
      -- Two that follow each other and are of different files are looked at side by side.
      if at == #result and before.file ~= excerpt.file then
        local left, right = differing(before.file, excerpt.file)
        before.tag.text = before.tag.text:gsub('>$', (' data-pair="next" data-differs="%s">'):format(left))
        excerpt.tag.text = excerpt.tag.text:gsub('>$', (' data-pair="previous" data-differs="%s">'):format(right))
      end
      put(excerpt.tag, raw('<figcaption>'), pandoc.Plain(block.content), raw('</figcaption>'))
      put(blocks[i + 1], raw('</figure>'))
      before, at = excerpt, #result
      i = i + 1
    elseif block.t == 'CodeBlock' and block.classes[1] == 'console' then
      put(console(block, page.guess))
      page.guess = nil
    elseif block.t == 'Para' and #block.content == 1 and block.content[1].t == 'Image' then
      local source = block.content[1].src
      put(picture(source, stringify(block.content[1].caption)))
      put(raw('<p class="larger" data-added><a href="%s">The picture alone</a></p>', source))
    elseif block.t == 'Para' and stringify(block):match('^Altitude: %l+$') then
      put(raw('<div class="altitude">'), block, raw('</div>'))
    else
      put(block)
    end
    i = i + 1
  end
  return result
end

-- -- lessons.md -----------------------------------------------------------------------------------

-- Cuts the text into pages at "## ", and these into parts at "### " and where the questions begin.
-- Returns what stands before the first page.
local function cut(blocks)
  local introduction, page, part = {}, nil, nil
  local function begin_part(id, title, level)
    part = {page = page, id = id, title = title, level = level, blocks = pandoc.List()}
    table.insert(page.parts, part)
  end
  for i, block in ipairs(blocks) do
    local title = block.t == 'Header' and stringify(block)
    if title and block.level == 2 then
      local number = title:match('^(%d+)%. ')
      page = {name = number and 'lesson-' .. number or title:lower(), number = number, title = title, kind = 'lesson',
        parts = {}, questions = 0, guesses = 0, before = lessons[#lessons]}
      if page.before then page.before.after = page end
      table.insert(lessons, page)
      begin_part(block.identifier, title)
    elseif title and block.level == 3 then
      begin_part(block.identifier, title, stringify(blocks[i + 1]):match('^Altitude: (%l+)$'))
    elseif is_raw(block, '^<!%-%- about: ') and part.title ~= 'Questions' then
      begin_part(page.name .. '-questions', 'Questions')
    end
    if page then part.blocks:insert(block) else table.insert(introduction, block) end
    if title and page then page_of[block.identifier], title_of[block.identifier] = page.name, title end
    local function note(tag)
      local id = tag.text:match('<a id="([^"]*)"')
      if id then page_of[id] = page.name end
    end
    walk(pandoc.Div({block}), {RawInline = note, RawBlock = note})
  end
  return introduction
end

local function each_part(visit)
  for _, page in ipairs(lessons) do
    for _, part in ipairs(page.parts) do visit(part, page) end
  end
end

local function links_to(parts)
  local html = {}
  for i, part in ipairs(parts) do
    local title = escaped((part.page.number or '') .. ' ' .. part.title)
    html[i] = ('<a href="%s.html#%s">%s</a>'):format(part.page.name, part.id, title)
  end
  return table.concat(html, ', ')
end

-- What is folded, open: for paper, where nothing unfolds.
local function unfolded(html)
  local found = {}
  for at, label, answer in html:gmatch('()<details><summary>(.-)</summary>(.-)</details>') do
    local asked = html:sub(1, at):match('.*<strong>(.-)%.?</strong>') or ''
    found[#found + 1] = ('<section><h3 data-added>%s: %s</h3>%s</section>'):format(asked, label:lower(), answer)
  end
  if #found == 0 then return '' end
  return ('<section class="answers" data-added>\n<h2 data-added>Answers</h2>\n%s\n</section>\n'):format(table.concat(found, '\n'))
end

local function make_lesson(page)
  local texts, list = {}, {}
  for i, part in ipairs(page.parts) do
    part.html = html_of(relinked(dressed(part.blocks, page), page))
    if i > 1 then
      local id = part.title == 'Questions' and (' id="%s"'):format(part.id) or ''  -- others have a heading
      local level = part.level and (' data-level="%s"'):format(part.level) or ''
      part.html = ('<section class="part"%s%s>\n%s\n</section>\n'):format(id, level, part.html)
      list[i - 1] = ('<li%s><a href="#%s">%s</a></li>'):format(level:gsub('level', 'of'), part.id, escaped(part.title))
    end
    texts[i] = part.html
  end
  page.text = table.concat(texts)
  if page.text:find('<figure class="excerpt"', 1, true) then page.kind = page.kind .. ' with-code' end
  page.answers = unfolded(page.text)
  local parts = '<nav class="parts" data-added aria-label="In this lesson"><ol>%s</ol></nav>\n'
  table.insert(texts, 2, parts:format(table.concat(list)))
  page.body = table.concat(texts) .. page.answers
  write_page(page)
end

-- All lessons on one page, answers at the end.
local function make_print()
  local texts, answers = {}, {}
  for i, page in ipairs(lessons) do
    texts[i] = page.text:gsub('<details>.-</details>', '')
    answers[i] = page.answers:gsub(' data%-added', '', 1):gsub('Answers', 'Answers: ' .. escaped(page.title), 1)
  end
  local body = (table.concat(texts) .. table.concat(answers)):gsub('href="[%l%d-]+%.html#', 'href="#')
  write_page({name = 'print', title = 'All lessons', kind = 'lesson print', body = body})
end

-- The tables of words that the lessons begin with, as one list.
local function make_words()
  local words = {}
  each_part(function(part)
    for _, block in ipairs(part.blocks) do
      local found = block.t == 'Table' and pandoc.utils.to_simple_table(block)
      for _, row in ipairs(found and stringify(found.headers[1]) == 'word' and found.rows or {}) do
        local word, meaning, elsewhere = table.unpack(row:map(function(cell) return html_of(relinked(cell, {name = 'words'})) end))
        elsewhere = elsewhere ~= '' and '. Others say: ' .. elsewhere or ''
        words[#words + 1] = {stringify(row[1]):lower(), ('<dt>%s</dt><dd>%s <small>%s%s</small></dd>')
          :format(word, meaning, links_to({part}), elsewhere)}
      end
    end
  end)
  table.sort(words, function(a, b) return a[1] < b[1] end)
  for i, word in ipairs(words) do words[i] = word[2] end
  local body = ('<h1>Words</h1>\n<dl class="words">%s</dl>'):format(table.concat(words, '\n'))
  write_page({name = 'words', title = 'Words', body = body})
end

-- What is emphasised, and every name in the code that the text speaks of, with the parts it is in.
local function make_index()
  local places, names = {}, {}
  each_part(function(part)
    local function note(word)
      if not word then return end
      if not places[word] then places[word], names[#names + 1] = {}, word end
      if places[word][#places[word]] ~= part then table.insert(places[word], part) end
    end
    if not part.page.number or part.title == 'Questions' or part.id == 'what-to-read' then return end
    walk(pandoc.Div(part.blocks), {
      Emph = function(inline)
        local word = stringify(inline):match('^(.-)[.,:]?$')
        if not word:match('^["“A-Z]') and not word:match(' .* .* ') then note(word) end
      end,
      Code = function(inline) note(inline.text:match('^([%a_][%w_]+)%(?%)?$')) end,
    })
  end)
  table.sort(names, function(a, b) return a:lower() < b:lower() or a:lower() == b:lower() and a < b end)
  local html, letter = {'<h1>Index</h1>'}, nil
  for _, name in ipairs(names) do
    local first = name:sub(1, 1):upper()
    if first ~= letter then html[#html + 1] = (letter and '</dl>' or '') .. ('<h2>%s</h2>\n<dl>'):format(first) end
    letter = first
    local links = #places[name] > 15 and 'throughout' or links_to(places[name])
    html[#html + 1] = ('<dt>%s</dt><dd>%s</dd>'):format(escaped(name), links)
  end
  write_page({name = 'index-of-words', title = 'Index', kind = 'plain index', body = table.concat(html, '\n') .. '</dl>'})
end

local function make_figures()
  local uses, html = {}, {'<h1>Figures</h1>'}
  each_part(function(part)
    walk(pandoc.Div(part.blocks), {Image = function(image)
      uses[image.src] = uses[image.src] or {alt = stringify(image.caption)}
      table.insert(uses[image.src], part)
    end})
  end)
  for _, source in ipairs(output_of('ls figures/*.svg')) do
    local name, use = source:match('([^/]*)%.svg$'), uses[source] or {alt = read(source):match('<title>(.-)</title>')}
    html[#html + 1] = ('<h2 id="%s">%s</h2>\n%s\n<p>%s. <small>%s</small></p>')
      :format(name, name, picture(source, use.alt).text, escaped(use.alt), links_to(use))
  end
  write_page({name = 'figures', title = 'Figures', kind = 'plain figures', body = table.concat(html, '\n')})
end

local function make_start(introduction)
  local asked = {}
  for i, page in ipairs(lessons) do asked[i] = page.questions end
  local body = html_of(relinked(introduction, {name = 'index'}))
  body = body .. ('<div class="start" data-added data-questions="%s"></div>'):format(table.concat(asked, ' '))
  write_page({name = 'index', title = 'Two ways to wait', body = body, after = lessons[1]})
end

local function make_lessons(introduction)
  for _, page in ipairs(lessons) do make_lesson(page) end
  make_start(introduction)
  make_words()
  make_index()
  make_figures()
  make_print()
  local playground = read('book/playground.html')
  if playground then write_page({name = 'playground', title = 'Playground', body = playground}) end
  local search = {}
  each_part(function(part, page)
    search[#search + 1] = ('[%s,%s,%s]'):format(quoted(page.name .. '.html#' .. part.id),
      quoted(page.title .. (part.title ~= page.title and ': ' .. part.title or '')), quoted(plain(part.html)))
  end)
  write('search.js', 'var LESSONS = [' .. table.concat(search, ',\n') .. '];\n')
end

-- -- the sources ----------------------------------------------------------------------------------

local languages = {cpp = 'cpp', hpp = 'cpp', sh = 'bash', md = 'markdown', txt = 'diff'}

-- All that the lessons name, and all files beside these: {path = text, or false for a folder}.
local function sources(doc)
  local found = {}
  local function take(path)
    found[path] = read(path) or false
    if not found[path] then
      for _, file in ipairs(output_of("find '%s' -type f", path)) do found[file] = read(file) end
    end
  end
  for _, path in ipairs(output_of('ls common/*.?pp blocking/*.?pp select_poll/*.?pp nonblocking/*.?pp')) do take(path) end
  walk(pandoc.Div(doc.blocks), {Link = function(link)
    local path = link.target:match('^[^#]*')
    if is_source(path) then take(path) end
  end})
  return found
end

local function make_source(path, text)
  local html = html_of({pandoc.CodeBlock(text, {'', {languages[path:match('%.(%l+)$')]}})})
  local lines = lines_of(html:match('<code[^>]*>(.*)</code>'))
  local page = {}
  for i, line in ipairs(lines) do
    page[i] = ('<span class="line" id="L%d">%s\n</span>'):format(i, line)
    lines[i] = ('<span class="line">%s\n</span>'):format(line)
  end
  write_page({name = 'source/' .. path, title = path, kind = 'plain code',
    body = ('<h1>%s</h1>\n<pre class="source" tabindex="0"><code>%s</code></pre>'):format(path, table.concat(page))})
  return quoted(path) .. ': ' .. quoted(table.concat(lines)) .. ',\n'
end

local function make_folder(path, paths)
  local list = {}
  for _, file in ipairs(paths) do
    local name = file:sub(1, #path + 1) == path .. '/' and file:sub(#path + 2)
    if name then list[#list + 1] = ('<li><a href="%s/%s.html">%s</a></li>'):format(path:match('[^/]*$'), name, name) end
  end
  write_page({name = 'source/' .. path, title = path, body = ('<h1>%s</h1>\n<ul>%s</ul>'):format(path, table.concat(list))})
end

-- Every second one, so that two can share the work.
local function make_sources(doc, share)
  local texts, paths, scripts = sources(doc), {}, {}
  for path in pairs(texts) do paths[#paths + 1] = path end
  table.sort(paths)
  for i = tonumber(share), #paths, 2 do
    local path, text = paths[i], texts[paths[i]]
    if text then scripts[#scripts + 1] = make_source(path, text) else make_folder(path, paths) end
  end
  write('sources.js.' .. share, table.concat(scripts))
end

local function make_data()
  local data = {}
  for i, path in ipairs(output_of('ls figures/*.csv')) do
    data[i] = quoted(path:match('[^/]*$')) .. ': ' .. quoted(read(path))
  end
  write('data.js', 'const FIGURES = {\n' .. table.concat(data, ',\n') .. '\n};\n')
end

function Pandoc(doc)
  local part = stringify(doc.meta.part)
  out = stringify(doc.meta.out)
  local introduction = cut(doc.blocks)
  if part == 'lessons' then make_lessons(introduction) else make_sources(doc, part) end
  if part == '1' then make_data() end
  return pandoc.Pandoc({})
end
