"""Choose pages by a crawl's index, before anything of the crawl is downloaded."""
