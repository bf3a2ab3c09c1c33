"""What `render` returns: frames, pixels, text and a window.

For whoever changes how tasks look; what a task shows is said in its own file.
"""
