"""Which documents train, which choose (dev) and which test: always whole articles, alike in labels and languages."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from framing.dataset import Dataset
from framing.errors import FramingError, did_you_mean, raise_all

PARTS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Split:
    """Document ids of each part."""

    train: tuple[str, ...]
    dev: tuple[str, ...]
    test: tuple[str, ...]


def read_split(path: Path, dataset: Dataset) -> Split:
    """A frozen split; raises FramingError if it is unreadable or does not fit the dataset's documents."""
    if not path.is_file():
        raise FramingError(str(path), "no such splits file", "write it with `framing data split`")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        split = Split(*(tuple(values[part]) for part in PARTS))
    except (ValueError, KeyError, TypeError) as error:
        cure = "write it with `framing data split`"
        raise FramingError(str(path), f"not a splits file ({error!r})", cure) from None
    named = [document for part in PARTS for document in getattr(split, part)]
    faults = []
    for document in sorted(set(dataset.documents) - set(named)):
        faults.append(FramingError(str(path), f"document {document!r} is in no part", "write the split anew"))
    for document in sorted(set(named) - set(dataset.documents)):
        faults.append(FramingError(str(path), f"there is no annotated document {document!r}", "write the split anew"))
    for document in sorted({name for name in named if named.count(name) > 1}):
        faults.append(FramingError(str(path), f"document {document!r} is in two parts", "write the split anew"))
    faults += empty_parts(split, str(path))
    raise_all(faults)
    return split


def empty_parts(split: Split, place: str) -> list[FramingError]:
    """A fault for each part without a document: nothing to learn from, to choose by, or to be tested on."""
    cure = "leave it one document at least"
    return [FramingError(place, f"its part {part!r} is empty", cure) for part in PARTS if not getattr(split, part)]


def write_split(split: Split, path: Path) -> None:
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(asdict(split), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside.replace(path)


def cross_validation(dataset: Dataset, folds: int, seed: int) -> Iterator[Split]:
    """Each document tests once; the next fold's test documents are the dev part.

    Folds are alike in labels and languages by iterative stratification (Sechidis, Tsoumakas and Vlahavas 2011) over
    documents.
    """
    documents = dataset.documents
    if folds < 3 or folds > len(documents):
        finding = f"{folds} folds of {len(documents)} documents"
        raise FramingError("config folds", finding, f"choose 3 to {len(documents)} (train, dev and test need one each)")
    parts = _deal(dataset, folds, seed)
    for number in range(folds):
        test, dev = parts[number], parts[(number + 1) % folds]
        rest = tuple(document for document in documents if document not in {*test, *dev})
        yield Split(rest, dev, test)


def languages(dataset: Dataset) -> dict[str, str]:
    """Document -> the language that most of its paragraphs are in."""
    counts: dict[str, Counter[str]] = {}
    for paragraph in dataset.paragraphs:
        counts.setdefault(paragraph.document, Counter())[paragraph.language] += 1
    return {document: found.most_common(1)[0][0] for document, found in counts.items()}


def leave_out(
    dataset: Dataset, traits: Mapping[str, str], key: str, values: Sequence[str] | None, seed: int
) -> Iterator[tuple[str, Split]]:
    """For each value of a trait (or those named): its documents test, a sixth of the others is dev, the rest train.

    `traits`: document -> value. Documents without one are in no part: they may be of the value that is left out.
    Raises FramingError on an unknown value.
    """
    known = sorted({traits[document] for document in dataset.documents if traits.get(document)})
    if not known:
        raise FramingError(
            "config leave_out.key", f"no article says its {key!r}", "name what the sources tell of articles"
        )
    for value in values or ():
        if value not in known:
            raise FramingError(
                "config leave_out.values", f"no article with {key} {value!r}", did_you_mean(value, known)
            )
    for value in values or known:
        test = tuple(document for document in dataset.documents if traits.get(document) == value)
        rest = dataset.of_documents(d for d in dataset.documents if traits.get(d) and traits[d] != value)
        if len(rest.documents) < 2:
            raise FramingError(
                "config leave_out", f"without {key} {value!r} fewer than two articles are left", "add articles"
            )
        dev = _deal(rest, min(6, len(rest.documents)), seed)[0]
        yield value, Split(tuple(d for d in rest.documents if d not in set(dev)), dev, test)


def single_split(dataset: Dataset, seed: int) -> Split:
    """About three fifths to train, a fifth to choose, a fifth to test."""
    return next(cross_validation(dataset, min(5, len(dataset.documents)), seed))


def fewer(split: Split, articles: int | None) -> Split:
    """The same with so many training documents; a smaller choice is part of every larger one."""
    order = [split.train[index] for index in np.random.default_rng(1).permutation(len(split.train))]
    return Split(tuple(order[:articles]), split.dev, split.test)


def _deal(dataset: Dataset, folds: int, seed: int) -> list[tuple[str, ...]]:
    from iterstrat.ml_stratifiers import MultilabelStratifiedKFold

    documents = dataset.documents
    if folds == len(documents):
        order = np.random.default_rng(seed).permutation(folds)
        return [(documents[index],) for index in order]
    traits = _traits(dataset)
    dealer = MultilabelStratifiedKFold(n_splits=folds, shuffle=True, random_state=seed)
    return [tuple(documents[i] for i in chosen) for _, chosen in dealer.split(traits, traits)]


def _traits(dataset: Dataset) -> NDArray[np.int64]:
    """[documents x (labels + languages)]: which labels and which language a document has."""
    row = {document: number for number, document in enumerate(dataset.documents)}
    languages = {language: n for n, language in enumerate(sorted({p.language for p in dataset.paragraphs}))}
    labels = dataset.matrix.values.shape[1]
    traits = np.zeros((len(row), labels + len(languages)), np.int64)
    for paragraph, values in zip(dataset.paragraphs, dataset.matrix.values, strict=True):
        traits[row[paragraph.document], :labels] |= (values > 0.5).astype(np.int64)
        traits[row[paragraph.document], labels + languages[paragraph.language]] = 1
    return traits


def shared_text(split: Split, dataset: Dataset, limit: float = 0.6) -> list[tuple[str, str, float]]:
    """Pairs of paragraphs of different parts whose character 5-grams have a Jaccard index above `limit`: leaks.

    Furniture of under 60 characters (comment prompts) is not compared: it says nothing that could leak.
    """
    part_of = {document: part for part in PARTS for document in getattr(split, part)}
    rows = [p for p in dataset.paragraphs if len(p.text) >= 60]
    return [
        (rows[i].id, rows[j].id, jaccard)
        for i, j, jaccard in near_duplicates([p.text for p in rows], limit)
        if part_of[rows[i].document] != part_of[rows[j].document]
    ]


def near_duplicates(texts: list[str], limit: float) -> list[tuple[int, int, float]]:
    """Pairs `(i, j, jaccard)`, i < j, of texts whose sets of character 5-grams have a Jaccard index above `limit`.

    Exact. The products of the sparse n-gram matrix are taken a block of rows at a time; memory grows with the block.
    """
    from sklearn.feature_extraction.text import HashingVectorizer

    vectorizer = HashingVectorizer(analyzer="char", ngram_range=(5, 5), n_features=2**22, binary=True, norm=None)
    grams = vectorizer.transform(texts).astype(np.float32).tocsr()
    grams.data[:] = 1
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    transposed = grams.T.tocsr()
    found = []
    for start in range(0, len(texts), 256):
        shared = (grams[start : start + 256] @ transposed).tocoo()
        i, j = shared.row + start, shared.col
        jaccard = shared.data / (sizes[i] + sizes[j] - shared.data)
        for a, b, value in zip(*(part[(jaccard > limit) & (i < j)] for part in (i, j, jaccard)), strict=True):
            found.append((int(a), int(b), float(value)))
    return found


def describe(split: Split) -> Mapping[str, int]:
    return {part: len(getattr(split, part)) for part in PARTS}
