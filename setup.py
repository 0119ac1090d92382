"""What `pip install .` copies: the code, the contests known by name, the word vectors that the default recipe names."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages("src"), "foldwise.embeddings"],
    package_dir={"": "src", "foldwise.embeddings": "input/embeddings"},
    package_data={
        "foldwise": ["py.typed", "competitions/*.toml", "report/*.css", "report/*.js"],
        "foldwise.embeddings": ["*"],
    },
)
