"""Extension: `--gpus-per-fold n`, one fold on several GPUs, or in several processes, by torch.distributed."""
