"""The wall to AWS: sessions are made here, nowhere else."""
