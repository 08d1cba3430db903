# sh predict.sh FUTURE OUTPUT: the model, and the factor of the config, for each row.
factor=$(sed -n 's/^factor: *//p' config.yml)
awk -F, -v OFS=, -v model="$(cat model.txt)" -v factor="$factor" '
  { sub(/\r$/, "") }
  NR == 1 { print "time_period", "location", "sample_0"; next }
  { print $1, $2, model * factor }
' "$1" > "$2"
