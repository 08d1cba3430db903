# sh greet.sh NAME
echo "$GREETING $1"
echo "to stderr" >&2
