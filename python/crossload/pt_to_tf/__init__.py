"""What `crossload pt-to-tf` asks of Python. Its inputs and its judge run with Transformers 4 as well as 5."""
