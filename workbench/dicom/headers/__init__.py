"""What is wanted of a file's header, and the walks that read it: many files in step, one by one, or with pydicom."""
