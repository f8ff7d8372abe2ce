"""The Hugging Face Hub: fetching what a model needs, uploading what a conversion made. Runs without PyTorch."""
