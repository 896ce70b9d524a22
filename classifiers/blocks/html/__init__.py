"""One linear scan over the bytes of a page: tokens, attributes, the stack of elements, blocks of text."""
