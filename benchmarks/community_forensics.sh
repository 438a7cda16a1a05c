#!/bin/sh
# The paper's training on a machine with GPUs, in order; each command goes on where it was when it is run again.
# DATA: a folder with the Parquet files of OwensLab/CommunityForensics-Small; EVAL: files to measure on; WEIGHTS: ImageNet's ViT-S/16-384.
set -eu
DATA=${DATA:?folder with Parquet files}
EVAL=${EVAL:?Parquet files to measure on, separated by commas}
WEIGHTS=${WEIGHTS:?safetensors file of timm/vit_small_patch16_384.augreg_in21k_ft_in1k}
GPUS=${GPUS:-1}  # STEPS: 53000 with four GPUs are the five passes of the paper over 5.4 million pictures

# a minute, to see that the files are read and the loss falls
python -m cifake_core forensics train "$DATA/*.parquet" --name cf-trial --model commfor-32 --steps 20 --batch 8 --json
# what loading costs: steps a second with and without augmentation say whether --loaders is high enough
python -m cifake_core forensics train "$DATA/*.parquet" --name cf-pace --start "$WEIGHTS" --steps 50 --batch 64 --loaders 14 --json
# the training, checkpoint every 500 steps
accelerate launch --num_processes "$GPUS" -m cifake_core forensics train "$DATA/*.parquet" --name cf-384 --start "$WEIGHTS" \
    --steps "${STEPS:-53000}" --batch 128 --loaders $((14 / GPUS)) --validation "$EVAL" --validation-images 20000 --json
