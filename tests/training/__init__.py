"""Training; `make_data` and `recipe` of test_fold serve other folders too."""
