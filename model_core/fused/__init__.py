"""The fastest teacher-forced pass on a CPU, for training and scoring. Its results must
equal those of layers/."""
