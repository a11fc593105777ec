"""What the demo profile needs: tiny checkpoints with random weights, a tokenizer and two pictures."""
