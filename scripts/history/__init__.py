"""What became of stored series: change points, evidence, verdicts, baselines."""
