echo "trained with $(cat model), asked with $(grep '^prediction_periods:' config.yml)"
if grep -q '^fails: predict' config.yml; then
  echo 'the model does not converge' >&2
  exit 4
fi
grep -q '^fails: silently' config.yml && exit 0
tr -d '\r' < "$1" | awk -F, '
  NR == 1 { for (at = 1; at <= NF; at++) of[$at] = at; print "time_period,location,sample_0,sample_1"; next }
  { print $of["time_period"] "," $of["location"] ",4,5.5" }' > "$2"
