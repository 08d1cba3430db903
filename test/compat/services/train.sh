echo "train has $(($(wc -l < "$1") - 1)) rows"
if grep -q '^fails: train' config.yml; then
  echo 'the rain of the north is missing' >&2
  exit 3
fi
grep '^prediction_periods:' config.yml > model
