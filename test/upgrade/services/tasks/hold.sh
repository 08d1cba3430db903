# Runs for as long as HOLD is set, and the service lives.
while [ -n "$HOLD" ] && kill -0 "$PPID" 2> /dev/null; do sleep 0.1; done
echo "held"
