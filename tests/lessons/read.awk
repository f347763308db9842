# read.awk — one lesson for the terminal, without marks and without what is folded.
# Usage: awk -v lesson=3 -f tests/lessons/read.awk lessons.md
folded { folded = !/^<\/details>/; next }
/^```/ { code = !code }
!code && /^## / { shown = index($0, "## " lesson ".") == 1 }
!shown { next }
code { print; blank = 0; next }
/^<details>/ {
  folded = 1
  gsub(/<[^>]*>/, "")
  $0 = "(folded in lessons.md: " $0 ")"
}
marked { marked = !/-->$/; next }
/^<!-- / { marked = !/-->$/; next }
{
  gsub(/<!--[0-9]*-->|<a id="[^"]*"><\/a>/, "")
  if (!/^$/ || !blank) print
  blank = /^$/
}
