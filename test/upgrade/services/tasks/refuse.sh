echo "some output"
echo "this one was to fail" >&2
exit 3
