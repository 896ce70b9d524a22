"""From HTML to text: the engines, the child process they run in, and the visible text of a page."""
