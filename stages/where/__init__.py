"""`where_v1`: conditions over the columns of documents, written as expressions."""
