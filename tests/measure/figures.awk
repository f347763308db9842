# figures.awk — one picture of a CSV file of `make bench`: what gnuplot is told besides the preamble.
#
# Usage: awk -F, -f figures.awk -v kind=lines -v metric=per_second -v factor=1 ... FILE
#   kind    lines, by x, with whiskers from least to most and a name beside each; or bars
#   axes    of lines: log, or xlog; none of these: linear
#   base    if not empty, the model that all are divided by, within each turn: the file's ratios
#   labels  of bars: "0=alone 100=beside_one", the clusters
/^#/ { next }
$1 == "model" { for (i = 1; i <= NF; i++) at[$i] = i; next }
$3 != metric || $4 == "" { next }
{
  if (!($1 in seen)) name[seen[$1] = ++models] = $1
  key = $1 SUBSEP $2
  xs[$1] = xs[$1] " " $2
  value[key] = base == "" ? $4 * factor : $(at["ratio"])
  least[key] = base == "" ? $5 * factor : "ratio_min" in at ? $(at["ratio_min"]) : value[key]
  most[key] = base == "" ? $6 * factor : "ratio_max" in at ? $(at["ratio_max"]) : value[key]
  mark[key] = "mark" in at ? $(at["mark"]) : ""
  if ($2 > 0 && (!first || $2 < first)) first = $2 + 0
  if ($2 == 0) zero = 1
  if ($2 > last) last = $2 + 0
}

# The same colour for a model, or the call it waits with, in every picture.
function style(model) {
  if (model == "thread_per_connection") return 1
  if (model ~ /^select/) return 2
  if (model ~ /^poll/) return 3
  if (model ~ /^(event_loop|epoll|kqueue|prefork.*)$/ || model == "prefork event_loop") return 4
  if (model == "await_loop") return 5
  return model == "one_at_a_time" ? 7 : 6
}
function log10(y) { return log(y) / log(10) }
# The whole number at or below, by and large: log10(1000) may be a little less than 3.
function down(y) { y += 1e-9; return y < int(y) ? int(y) - 1 : int(y) }
function commas(y) { return y >= 1000 ? commas(int(y / 1000)) sprintf(",%03d", y % 1000) : y "" }
function short(y) { return y >= 99.5 ? commas(int(y + 0.5)) : sprintf(y < 0.01 ? "%.1g" : "%.2g", y) }

# Where a value stands on the y axis, from 0 to 1.
function height(y) {
  if (axes == "log") return log(y / low) / log(high / low)
  return (y - low) / (high - low)
}

# A name beside the end of each line, in its colour, and far enough from its neighbours.
function say_name(i, where) {
  print "set label \"" name[i] "\" " where " noenhanced textcolor linestyle " style(name[i])
}
function names_beside(    i, j, n, t, gap, top) {
  gap = 0.065
  for (i = 1; i <= models; i++) {
    if (end_x[i] < last / 2) {  # it ends early: its name stands there
      say_name(i, "at " end_x[i] ", " end[i] " offset " (height(end[i]) < 0.1 ? "1.8, 0.2" : "0.8, -0.9"))
      continue
    }
    order[++n] = i
    place[i] = height(end[i])
    for (j = n; j > 1 && place[order[j - 1]] > place[order[j]]; j--) {
      t = order[j]; order[j] = order[j - 1]; order[j - 1] = t
    }
  }
  for (j = 2; j <= n; j++)
    if (place[order[j]] < place[order[j - 1]] + gap) place[order[j]] = place[order[j - 1]] + gap
  top = 1
  for (j = n; j >= 1; j--) {
    if (place[order[j]] > top) place[order[j]] = top
    top = place[order[j]] - gap
    say_name(order[j], "at graph 1.015, graph " place[order[j]])
  }
}

function lines(    i, j, n, key, x, by, count, rings, ten, plot) {
  print "set rmargin 25; unset key"
  low = 1e300
  zero = zero ? first / 10 : 0
  for (i = 1; i <= models; i++) {
    printf "$m%d << END\n", i
    n = split(xs[name[i]], x, " ")
    for (j = 1; j <= n; j++) {
      key = name[i] SUBSEP x[j]
      by = base == "" ? 1 : value[base, x[j]]
      if (value[key] == "" || by == 0 || by == "") continue
      end_x[i] = x[j] == 0 && zero ? zero : x[j]
      print end_x[i], end[i] = value[key] / by, least[key] / by, most[key] / by
      if (least[key] / by < low) low = least[key] / by
      if (most[key] / by > high) high = most[key] / by
      if (mark[key] != "" || (base != "" && mark[base, x[j]] != ""))
        rings = rings end_x[i] " " value[key] / by "\n"
    }
    print "END"
    plot = plot (i > 1 ? ", " : "") "$m" i " using 1:2:3:4 with yerrorlines linestyle " style(name[i])
  }
  low = axes == "log" ? 10 ^ down(log10(low)) : 0
  high = axes == "log" ? 10 ^ -down(-log10(high)) : high * 1.05
  printf "set yrange [%g:%g]\n", low, high
  if (axes == "log") print "set logscale xy; set format y \"%.10g\""
  if (axes == "xlog") print "set logscale x"
  if (axes != "") {
    if (zero) {  # a place of its own, and a gap in the axis behind it
      printf "set xtics (\"none\" %g); set xrange [%g:*]\n", zero, zero * 0.6
      printf "set arrow from %g, graph 0 to %g, graph 0 nohead front linecolor rgb \"#fedcba\" linewidth 5\n", zero * 2, first / 2
    }
    for (ten = 10 ^ down(log10(first)); ten <= last * 1.05; ten *= 10)
      printf "set xtics %s(\"%s\" %g)\n", (zero || count++ ? "add " : ""), commas(ten), ten
  }
  names_beside()
  if (rings != "") {
    printf "$rings << END\n%sEND\n", rings
    plot = plot ", $rings using 1:2 with points pointtype 6 pointsize 1.6 linecolor rgb \"#010203\""
  }
  print "plot " plot
}

# Clusters of bars. Each has its number on it: the least ones are too low to be seen.
function bars(    i, j, n, key, part, texts, position, tallest, plot, y) {
  print "set rmargin 5"
  print "set key outside top center horizontal maxrows 2 textcolor rgb \"#010203\" noenhanced"
  n = split(labels, cluster, " ")
  low = 1e300
  for (key in value) if (value[key] > 0 && value[key] < low) low = value[key]
  for (key in value) if (value[key] > high) high = value[key]
  axes = high > 50 * low ? "log" : ""
  if (axes == "log") printf "set logscale y; set format y \"%%.10g\"; set yrange [%g:%g]\n", 10 ^ down(log10(low)), high * 3
  else printf "set yrange [0:%g]\n", high * 1.1
  printf "set style fill solid 0.85; set boxwidth %g; set xrange [-0.6:%g]\n", 1 / (models + 1), n - 0.4
  for (i = 1; i <= models; i++) {
    printf "$m%d << END\n", i
    for (j = 1; j <= n; j++) {
      split(cluster[j], part, "=")
      key = name[i] SUBSEP part[1]
      if (!(key in value)) continue
      position = j - 1 + (i - (models + 1) / 2) / (models + 1)
      y = value[key] > 0 || axes != "log" ? value[key] : 10 ^ down(log10(low))
      print position, y
      texts = texts position " " y " \"" (mark[key] == "" ? "" : "*") short(value[key]) "\"\n"
    }
    print "END"
    plot = plot "$m" i " with boxes linestyle " style(name[i]) " title \"" name[i] "\", "
  }
  for (j = 1; j <= n; j++) {
    split(cluster[j], part, "=")
    gsub(/_/, " ", part[2])
    printf "set xtics %s(\"%s\" %d) noenhanced\n", (j > 1 ? "add " : ""), part[2], j - 1
  }
  printf "$texts << END\n%sEND\n", texts
  print "plot " plot "$texts using 1:2:3 with labels offset 0, 0.6 font \"," (n * models > 12 ? 9 : 11) "\" textcolor rgb \"#010203\" notitle"
}

# In the order of their styles: the experiments' own order is a matter of chance.
function sort_models(    i, j, t) {
  for (i = 2; i <= models; i++)
    for (j = i; j > 1 && style(name[j - 1]) > style(name[j]); j--) {
      t = name[j]; name[j] = name[j - 1]; name[j - 1] = t
    }
}

END {
  if (!models) exit 1
  sort_models()
  if (kind == "lines") lines(); else bars()
}
