"""The numbers by which a block is judged: alone, around it, in its region, and by the page's evidence."""
