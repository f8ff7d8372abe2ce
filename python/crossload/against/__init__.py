"""What `crossload verify --against` asks: a PyTorch model and a Keras model that somebody wrote, layer by layer."""
