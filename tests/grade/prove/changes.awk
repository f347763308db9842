# changes.awk — programs that are a few words away from others: solutions in tests/grade/solutions/
# from what the students are given, wrong programs in tests/grade/mutants/ from solutions and servers,
# and right ones that are written in another way, in tests/grade/correct/, from solutions.
#
# Usage: awk -f tests/grade/prove/changes.awk -v mode=list FILE...
#          a line for each but solutions: name|program|loses|may lose|quick|wrong server
#        awk -f tests/grade/prove/changes.awk -v mode=check FILE...
#          can all of them be made?
#        awk -f tests/grade/prove/changes.awk -v mode=make -v name=NAME -v into=DIR FILE...
#          makes DIR hold the files that NAME changes, changed
#        awk -f tests/grade/prove/changes.awk -v mode=print -v name=EXERCISE-solution FILE...
#          prints that solution
#
# The form of such a file:
#     Program: server poll_loop                 what follows is for this program, and
#     File: select_poll/poll_loop.cpp           changes this file, if it does not say another
#
#     == no-backlog: what is wrong with it      its name is poll_loop-no-backlog
#     Loses: A01 B02                            the checks that it must not pass
#     May lose: C03                             those that may fail as well, by chance of timing
#     Quick: yes                                part of the quick run, which has room for four or five
#     Wrong server: 1                           one of those of killing_test
#     File: common/socket.cpp
#     - listen(fd, SOMAXCONN)                   this text, which must stand in the file exactly once,
#     + listen(fd, 1)                           becomes that one
#     After: ++accepted;                        below the line that this text stands on, once as well,
#     + pause();                                comes this one; with "Before:" above it
#   Both may have several lines, and all but a first blank counts. A line "- ..." stands for whatever
#   lies between the lines above and below it. Without a + line the text goes, and so does the line it
#   stands on if nothing else does. An empty line ends a replacement, and so does what cannot go on
#   with it, a - after a + for example.
#   "Like: NAME" means the changes of that one, which stands above. A # begins a remark. What is called
#   "solution" is tests/grade/solutions/EXERCISE.cpp for all that is read after it, though there is no
#   such file. A line that begins with two blanks stays, as in any diff, and says where the + lines
#   above or below it come.

function complain(why) {
  print FILENAME ":" FNR ": " (title == "" ? "" : title ": ") why >"/dev/stderr"
  failed = 1
}

function contents(path, line, all, got) {
  if (path in solved) return solved[path]
  while ((got = (getline line <path)) > 0) all = all line "\n"
  close(path)
  if (got < 0) complain("cannot read " path)
  return all
}

# Below (or above) the line that old[1] stands on.
function put_lines(whole, from,  end) {
  if (place == "Before") while (from > 1 && substr(whole, from - 1, 1) != "\n") from--
  else if ((end = index(substr(whole, from), "\n"))) from += end
  text[file] = substr(whole, 1, from - 1) new "\n" substr(whole, from)
}

function replace(  whole, from, to, at, part, before, after) {
  if (!(file in text)) text[file] = contents(file)
  whole = text[file]
  to = 1
  for (part = 1; part <= parts; part++) {
    at = index(substr(whole, to), old[part])
    if (!at) return complain("this does not occur in " file ":\n" old[part])
    if (part == 1) from = at
    if (part == 1 && index(substr(whole, at + 1), old[1]))
      return complain("this occurs more than once in " file ":\n" old[1])
    to += at - 1 + length(old[part])
  }
  if (place && !news) return complain("nothing comes there:\n" old[1])
  if (place) return put_lines(whole, from)
  before = substr(whole, 1, from - 1)
  after = substr(whole, to)
  if (!news && before ~ /(^|\n) *$/ && after ~ /^\n/) {
    sub(/ *$/, "", before)
    after = substr(after, 2)
  }
  if (substr(whole, from, to - from) == new) complain("this changes nothing in " file ":\n" new)
  text[file] = before new after
}

function print_to(path, all) { print substr(all, 1, length(all) - 1) >path }

function end_replacement() {
  if (news && !parts) complain("where does this come?\n" new)
  if (parts && wanted) replace()
  parts = news = added = 0
  new = place = ""
}

function change(line) {
  if (line ~ /^(Before|After): ./) {
    end_replacement()
    place = substr(line, 1, index(line, ":") - 1)
    old[parts = 1] = substr(line, length(place) + 3)
  } else if (line == "") {
    end_replacement()
  } else if (line == "- ...") {
    old[++parts] = ""
    separate = 1
  } else if (line ~ /^[-+ ]( |$)/ && title != "") {
    if (line ~ /^-/ && (added || place)) end_replacement()
    if (line !~ /^\+/) {
      if (!parts) old[parts = separate = 1] = ""
      old[parts] = old[parts] (separate ? "" : "\n") substr(line, 3)
      separate = 0
    }
    if (line !~ /^-/) new = new (news++ ? "\n" : "") substr(line, 3)
    if (line ~ /^\+/) added = 1
  } else complain("what is this? " line)
}

function end_program(  path, folder) {
  end_replacement()
  if (mode == "print" && title == name) print_to("/dev/stdout", text[file])
  if (is_solution) solved["tests/grade/solutions/" substr(program, 10) ".cpp"] = text[file]
  else if (mode == "list" && title != "")
    print title "|" program "|" is["Loses"] "|" is["May lose"] "|" is["Quick"] "|" is["Wrong server"]
  if (mode == "make" && title == name && !failed)
    for (path in text) {
      folder = into "/" path
      sub(/\/[^\/]*$/, "", folder)
      system("mkdir -p '" folder "'")
      print_to(into "/" path, text[path])
      close(into "/" path)
    }
  split("", text)
  split("", is)
  title = ""
  file = usual_file
  is_solution = wanted = 0
}

FNR == 1 || /^Program: / { end_program(); usual_file = file = "" }
/^#/ { next }
/^Program: (server|exercise) [a-z_0-9]+$/ { program = $2 " " $3; next }
/^== [a-z_0-9-]+: ./ {
  end_program()
  title = program
  sub(/.* /, "", title)
  title = title "-" substr($2, 1, length($2) - 1)
  if (title in seen) complain("there are two called so")
  seen[title] = 1
  is_solution = $2 == "solution:"
  wanted = mode == "check" || is_solution || (mode == "make" && title == name)
  found = found || title == name
  next
}
/^File: [^ ]+$/ {
  end_replacement()
  file = $2
  if (title == "") usual_file = file
  next
}
/^(Loses|May lose|Quick|Wrong server): ./ && title != "" && !parts {
  key = $0
  sub(/:.*/, "", key)
  is[key] = substr($0, length(key) + 3)
  next
}
/^Like: ./ {
  if (!($2 in changes)) complain("there is no " $2)
  count = split(changes[$2], lines, "\n")
  for (i = 1; i <= count; i++) change(lines[i])
  next
}
{
  changes[title] = changes[title] $0 "\n"
  change($0)
}

END {
  end_program()
  if (name != "" && !found) print "there is no " name >"/dev/stderr"
  exit failed || (name != "" && !found)
}
