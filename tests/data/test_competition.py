from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import make_config
from foldwise.data.competition import load_competition, read_solution
from foldwise.data.splits import missing_classes
from foldwise.errors import InputError
from foldwise.paths import Paths


@pytest.fixture
def folder(tmp_path):
    """A folder to write tables to, and its paths."""

    def make(stems: dict[str, str] | None = None, **files: str) -> Paths:
        for name, text in files.items():
            suffix = "tsv" if "\t" in text else "csv"
            (tmp_path / f"{(stems or {}).get(name, name)}.{suffix}").write_text(text, encoding="utf-8")
        none = Path("none")
        return Paths("x", tmp_path, none, none, none, (), stems or {})

    return make


TRAIN = "id,text,y\n1,one,0\n2,two,1\n3,three,1\n"
TEST = "id,text\n8,eight\n9,nine\n"


def test_files_of_other_names_without_ids_and_with_literal_quotes(folder):
    stems = {"train": "labeledTrainData", "test": "testData", "sample_submission": "sampleSubmission"}
    paths = folder(
        stems,
        train='y\ttext\n1\t"\\"Twin Peaks\\" is, well, back"\n0\t5" of rain\n',
        test='"id"\ttext\n"8_1"\t"a"\n"9_4"\tb\n',
        sample_submission='id,y\n"8_1",0\n9_4,0\n',
    )
    config = make_config("binary", "roc_auc", files={"quotes": "literal", "numbered": ["train"], **stems})
    competition = load_competition(config, paths)
    assert competition.train_ids == ["1", "2"]
    assert competition.train_texts == [['"Twin Peaks" is, well, back', '5" of rain']]
    assert competition.test_ids == list(competition.sample["id"]) == ["8_1", "9_4"]
    numbered = make_config("binary", "roc_auc", files={"quotes": "literal", "numbered": ["train", "test"], **stems})
    with pytest.raises(InputError, match=r"has a column 'id'; take 'test' out of \[files\] numbered"):
        load_competition(numbered, paths)


def test_several_texts_features_and_a_sample_that_repeats_the_text(folder):
    paths = folder(
        train="id,title,text,words,y\n1,T,one,3,0\n2,U,two,,1\n",
        test="id,title,text,words\n8,V,eight,7\n",
        sample_submission="id,prediction,text\n8,0.5,eight\n",
    )
    config = make_config("binary", "roc_auc", features=["words"])
    config = config.model_copy(update={"columns": config.columns.model_copy(update={"text": ["title", "text"]})})
    competition = load_competition(config, paths)
    assert competition.train_texts == [["T", "U"], ["one", "two"]]
    assert competition.features.tolist()[0] == [3]
    assert np.isnan(competition.features[1, 0])
    assert competition.features.tolist()[2] == [7]
    assert competition.sample_columns == ["prediction"]


def test_classes_of_the_sample_that_train_lacks(folder):
    train = TRAIN.replace(",0", ",red").replace(",1", ",blue")
    paths = folder(train=train, test=TEST, sample_submission="id,red,blue,green\n8,0,0,1\n9,0,0,1\n")
    config = make_config("multiclass", "log_loss")
    probabilities = config.model_copy(
        update={"submission": config.submission.model_copy(update={"kind": "probability"})}
    )
    with pytest.raises(InputError, match=r"asks for the classes 'green', which no row of train.csv has"):
        load_competition(probabilities, paths)
    paths = folder(sample_submission="id,y\n8,red\n9,green\n")
    with pytest.raises(InputError, match=r"line 3, column y: class 'green' has no row in the training table"):
        load_competition(config, paths)
    paths = folder(sample_submission="id,y\n8,none\n9,none\n")  # a placeholder
    assert load_competition(config, paths).sample_columns == ["y"]


def test_rows_of_the_solution_that_do_not_count(folder):
    paths = folder(
        {"solution": "test_labels"}, train=TRAIN, test=TEST, sample_submission="id,y\n9,0.5\n8,0.5\n", solution="id,y\n8,-1\n9,1\n"
    )  # fmt: skip
    config = make_config("binary", "roc_auc", files={"solution": "test_labels", "unscored": "-1"})
    sample = load_competition(config, paths).sample
    solution = read_solution(config, paths, sample, ["y"])
    assert solution is not None
    assert solution.rows.tolist() == [0]
    assert solution.truth.tolist() == [[1]]
    with pytest.raises(InputError, match="line 2, column y: '-1' is not 0 or 1"):
        read_solution(make_config("binary", "roc_auc"), paths, sample, ["y"])


def test_a_fold_without_a_class_names_rows_and_folds(folder):
    train = "id,text,y\n" + "".join(f"{row},t{row},{'rare' if row < 2 else 'common'}\n" for row in range(10))
    paths = folder(train=train, test=TEST, sample_submission="id,y\n8,common\n9,rare\n")
    competition = load_competition(make_config("multiclass", "accuracy"), paths)
    folds = np.array([0, 1, 0, 1, 2, 0, 1, 2, 2, 2])
    phrases = missing_classes(folds, competition.targets, competition.train_ids)
    assert phrases == ["class rare has 2 rows (0, 1) and none in fold 2"]
    assert missing_classes(np.minimum(folds, 1), competition.targets, competition.train_ids) == []
    binary = replace(competition.targets, task="binary", names=["y"], truth=(competition.targets.truth == 0)[:, None])
    assert missing_classes(folds, binary, competition.train_ids) == ["class y = 0 has 2 rows (0, 1) and none in fold 2"]
