# Counts the cases of a location in cases.csv. The location is data: whatever it holds, it is only compared.
set -eu
location="$1" awk -F, '
  NR > 1 && $2 == ENVIRON["location"] { months++; cases += $3 }
  END {
    if (!months) { print "no such location" > "/dev/stderr"; exit 1 }
    printf "%d cases in %d months\n", cases, months
  }' cases.csv
