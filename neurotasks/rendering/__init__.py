"""What `render` returns: frames, pixels, text and a window, made from plain data.

For whoever changes how tasks look; what a task shows is said in its own file.
"""
