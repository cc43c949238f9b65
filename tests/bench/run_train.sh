#!/bin/sh
# Our trainer and PyTorch on the same cores in the same minutes, alternating, and the median of the
# ratios. Usage: run_train.sh BENCH_TRAIN [ROUNDS [SECONDS [PYTHON...]]]
# PYTHON: interpreters with torch; default /usr/bin/python3. Every line that is printed is a fact;
# nothing is asserted about time.
#
# Threads that wait sleep (OMP_WAIT_POLICY=passive), in both: on a machine that does anything else,
# spinning ones cost either program several times its speed. Set the variable to compare otherwise.
set -eu
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
here=$(dirname "$0")
bench=$1
rounds=${2:-3}
seconds=${3:-5}
[ $# -ge 3 ] && shift 3 || shift $#
[ $# -gt 0 ] || set -- /usr/bin/python3

median() {
    sort -g | awk '{v[NR] = $1} END {if (NR) print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2}'
}

# "a b c" -> column
column() {
    echo "$1" | cut -d' ' -f"$2"
}

echo "images/s, (images per CPU second), peak MiB; load $(cut -d' ' -f1 /proc/loadavg)"
for python in "$@"; do
    version=$("$python" -c 'import torch; print(torch.__version__)' 2>/dev/null) || {
        echo "skipped: $python has no torch"
        continue
    }
    for width in 16 64; do
        ratios= cpu_ratios=
        for round in $(seq "$rounds"); do
            ours=$("$bench" "$width" 2 1 2 "$seconds")
            best= cpu_best=0
            for format in nchw nhwc; do
                t=$("$python" "$here/torch_train.py" "$width" 2 "$seconds" "$format")
                echo "  width $width torch $version $format: $(column "$t" 1) ($(column "$t" 2)) $(column "$t" 3)"
                if [ -z "$best" ] || awk "BEGIN {exit !($(column "$t" 1) > $(column "$best" 1))}"; then
                    best=$t
                fi
                cpu_best=$(awk "BEGIN {print ($(column "$t" 2) > $cpu_best) ? $(column "$t" 2) : $cpu_best}")
            done
            pair=$("$bench" "$width" 1 2 2 "$seconds")
            r=$(awk "BEGIN {printf \"%.2f\", $(column "$ours" 1) / $(column "$best" 1)}")
            c=$(awk "BEGIN {printf \"%.2f\", $(column "$ours" 2) / $cpu_best}")
            echo "  width $width hpo 1 model x 2 threads: $(column "$ours" 1) ($(column "$ours" 2)) $(column "$ours" 3)"
            echo "  width $width hpo 2 models x 1 thread: $(column "$pair" 1) ($(column "$pair" 2)) $(column "$pair" 3)"
            echo "  width $width round $round: ratio $r, by CPU time $c"
            ratios="$ratios $r"
            cpu_ratios="$cpu_ratios $c"
        done
        echo "width $width against torch $version: median ratio $(echo $ratios | tr ' ' '\n' | median)," \
            "by CPU time $(echo $cpu_ratios | tr ' ' '\n' | median)"
    done
done
