"""Text: an encoder of sentences, and concepts that connect it to image classes."""
