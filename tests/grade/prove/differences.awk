# differences.awk — what makes one file of another, in the form that changes.awk reads.
#
# Usage: diff OLD NEW | awk -f tests/grade/prove/differences.awk -v old=OLD -v new=NEW
#   Each difference is told with as many of the lines around it as it takes to name its place.

function read_lines(path, lines, line, count) {
  while ((getline line <path) > 0) lines[++count] = line
  close(path)
  return count
}

# The file as it is when all differences above have been made: NEW up to there, then OLD.
function now(i) { return i < from ? theirs[i] : ours[i + ahead] }

function join(first, last, text, i) {
  for (i = first; i <= last; i++) text = text (i > first ? "\n" : "") now(i)
  return text
}

# Where a text stands in it, if it stands there once.
function place_of(text, at) {
  at = index(whole, text)
  return at && !index(substr(whole, at + 1), text) ? at : 0
}

# What is to be said so that these lines are meant and no others, or nothing.
function name_of(first, last, text, end) {
  if (first < 1 || first > last || now(first) == "") return ""
  text = join(first, last)
  end = now(last)
  if (last - first > 2 && end != "" && place_of(now(first)) &&
      length(now(first)) - 1 + length(end) + \
        index(substr(whole, place_of(now(first)) + length(now(first))), end) == length(text))
    return now(first) "\n...\n" end
  return place_of(text) ? text : ""
}

function say(mark, text, lines, count, i) {
  count = split(text, lines, "\n")
  for (i = 1; i == 1 || i <= count; i++) print mark (lines[i] == "" ? "" : " " lines[i])
}

# Our lines first..last are their lines from..to.
function tell(size, up, down, name, text, i, indent) {
  ahead = first - from
  whole = join(1, our_count - ahead)
  for (size = 0; name == ""; size++) {
    if (size > 20) exit failed = 1
    for (up = 0; up <= size && name == ""; up++) {
      down = size - up
      if (last + down < limit) name = name_of(from - up, last - ahead + down)
    }
  }
  up--
  for (i = from - up; i <= to + down; i++)
    text = text (i > from - up ? "\n" : "") (i <= to ? theirs[i] : ours[last + i - to])
  indent = match(name, /[^ ]/) - 1
  if (index(name text, "\n") == 0 && place_of(substr(name, indent + 1)) &&
      (text == "" || substr(text, 1, indent) == substr(name, 1, indent))) {
    name = substr(name, indent + 1)
    text = substr(text, indent + 1)
  }
  i = split(text, lines, "\n")
  if (told++ && (i > 3 || apart)) print ""
  apart = i > 3 || to + down < from - up
  say("-", name)
  if (to + down >= from - up) say("+", text)
}

BEGIN {
  our_count = read_lines(old, ours)
  read_lines(new, theirs)
}

/^[0-9]/ {
  split($0, sides, /[acd]/)
  if (split(sides[1], a, ",") == 1) a[2] = a[1]
  if (split(sides[2], b, ",") == 1) b[2] = b[1]
  # "5a7" comes behind line 5, and "5d7" leaves them at line 7.
  if ($0 ~ /a/) a[1]++
  if ($0 ~ /d/) b[1]++
  if (count && a[1] - all[count, 2] < 3) {
    all[count, 2] = a[2]
    all[count, 4] = b[2]
  } else {
    count++
    for (i = 1; i <= 2; i++) {
      all[count, i] = a[i]
      all[count, i + 2] = b[i]
    }
  }
}

END {
  for (n = 1; n <= count; n++) {
    first = all[n, 1]
    last = all[n, 2]
    from = all[n, 3]
    to = all[n, 4]
    limit = n < count ? all[n + 1, 1] : our_count + 1
    tell()
  }
  exit failed
}
