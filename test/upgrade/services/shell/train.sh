# sh train.sh DATA: the number of its lines is the model.
lines=$(wc -l < "$1")
echo "training with $lines lines"
echo "$lines" > model.txt
