# sh train.sh DATA: the number of its lines is the model. It leaves folders without files, too.
lines=$(wc -l < "$1")
echo "training with $lines lines"
echo "$lines" > model.txt
mkdir -p made/empty
