# exercises.awk — what the folders of the exercises say of them, as C++: build/grade is built with it,
# so that nothing that is graded can change what it is graded by.
#
# Usage: awk -f tests/grade/exercises.awk CONTRACT.MK EXERCISE.MK...
# Status 1, and a line on stderr, if one says what nobody reads, or its points do not add up to 100.

function complain(why) {
  print path ": " why >"/dev/stderr"
  failed = 1
}

# Those of the contract come before what is asked of a program built again.
function with_contract(own, more,  count, words, parts, list, i) {
  count = split(more, words, " ")
  for (i = 1; i <= count; i++) {
    split(words[i], parts, ":")
    if (index(" " own " ", " " parts[1] ":") == 0) list = list words[i] " "
  }
  i = match(own, /Y[0-9]+:/)
  return i ? substr(own, 1, i - 1) list substr(own, i) : own " " list
}

# "B20:6:B01" is a check, its points, and the check that must pass first: else the first of all.
function end_exercise(  count, words, parts, first, sum, again, list, i) {
  count = split(with_contract(value["checks"], contract[value["contract"] ? value["contract"] : "http"]), words, " ")
  for (i = 1; i <= count; i++) {
    if (words[i] !~ /^[A-Z][0-9]+:[0-9]+(:[A-Z][0-9]+)?$/) complain("what is this check? " words[i])
    parts[3] = ""
    split(words[i], parts, ":")
    if (i == 1) first = parts[1]
    else if (parts[3] == "") parts[3] = first
    sum += parts[2]
    again = again || parts[1] == "Y01"
    list = list "\n    {\"" parts[1] "\", " parts[2] ", \"" parts[3] "\"},"
  }
  if (sum != 100) complain("the points add up to " sum + 0 ", not to 100")
  if (!again && name != "killing_test") complain("memory errors have no price: there is no check Y01")
  if (value["contract"] && !(value["contract"] in contract)) complain("there is no contract " value["contract"])
  if (value["file"] == "" || value["model"] == "" || value["baseline"] == "")
    complain("file, model or baseline is missing")
  print "constexpr Point " name "[] = {" list "\n};"
  all = all "    {\"" name "\", \"" folder "\", \"" value["file"] "\", ::" value["model"] ", " \
    value["baseline"] ", " name (value["for_each_core"] ? ", " value["for_each_core"] : "") "},\n"
  split("", value)
}

BEGIN { print "#include \"tests/grade/exercise.hpp\"\n\nnamespace {" }

FILENAME ~ /contract\.mk$/ {
  if (/^[a-z]/) contract[$1] = substr($0, index($0, "=") + 1)
  next
}
FNR == 1 {
  if (path) end_exercise()
  path = FILENAME
  folder = path
  sub(/\/[^\/]*$/, "", folder)
  name = folder
  sub(/.*\//, "", name)
}
/^#/ { next }
/^(number|file|given|beside|shown|model|baseline|for_each_core|contract|checks) *=/ { key = $1; sub(/^[^=]*=/, "") }
{
  if (key == "") complain("what is this? " $0)
  more = sub(/\\$/, "")
  gsub(/^ +| +$/, "")
  value[key] = value[key] (value[key] ? " " : "") $0
  if (!more) key = ""
}

END {
  end_exercise()
  print "constexpr Exercise all[] = {\n" all "};\n}  // namespace\n"
  print "std::span<const Exercise> exercises() {\n  return all;\n}"
  exit failed
}
