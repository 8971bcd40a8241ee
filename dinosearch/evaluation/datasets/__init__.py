"""The data sets of the benchmark: one table of loaders, and `load`, which picks from it.

Counts, layouts and protocols are those of the sources that each loader's module names.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from dinosearch.advice import run
from dinosearch.arguments import checked
from dinosearch.errors import DatasetError
from dinosearch.evaluation.dataset import Dataset
from dinosearch.evaluation.datasets import (
    amstertime,
    classic,
    copydays,
    folder,
    gldv2,
    groups,
    ilias,
    instre,
    labelled,
    met,
    revisited,
)
from dinosearch.evaluation.datasets.loader import Loader

_CONTAMINATION = (
    "DINOv2's training collection LVD-142M was gathered around landmark images, among them GLDv2 and neighbours of the"
    " Oxford, Paris, Met and AmsterTime images (Oquab et al. 2023, appendix A), so its figures here are not zero-shot."
)
_BLURRED = "Since June 2022 the published photos have their faces blurred; older figures were made without."
_TRAINED = "ImageNet-1k is part of DINOv2's training collection; its labels are not."

_LOADERS = (
    Loader(
        name="roxford5k",
        title="Revisited Oxford (2018)",
        read=revisited.read,
        protocol="mAP and mP@1/5/10, easy, medium, hard; junk removed, trapezoid AP",
        published="cmp.felk.cvut.cz/revisitop (gnd_roxford5k.pkl) and robots.ox.ac.uk/~vgg/data/oxbuildings (photos)",
        files="gnd_roxford5k.pkl and jpg/",
        size=(4993, 70),
        options=("distractors",),
        notes=(_CONTAMINATION, _BLURRED),
    ),
    Loader(
        name="rparis6k",
        title="Revisited Paris (2018)",
        read=revisited.read,
        protocol="mAP and mP@1/5/10, easy, medium, hard; junk removed, trapezoid AP",
        published="cmp.felk.cvut.cz/revisitop (gnd_rparis6k.pkl) and robots.ox.ac.uk/~vgg/data/parisbuildings (photos)",
        files="gnd_rparis6k.pkl and jpg/",
        size=(6322, 70),
        options=("distractors",),
        notes=(_CONTAMINATION, _BLURRED),
    ),
    Loader(
        name="oxford5k",
        title="Oxford Buildings (2007)",
        read=classic.read,
        protocol="mAP, good and ok images relevant, junk removed, trapezoid AP",
        published="robots.ox.ac.uk/~vgg/data/oxbuildings",
        files="all_souls_1_query.txt and so on (or gnd_oxford5k.pkl) and jpg/",
        size=(5063, 55),
        notes=(_CONTAMINATION, _BLURRED),
    ),
    Loader(
        name="paris6k",
        title="Paris Buildings (2008)",
        read=classic.read,
        protocol="mAP, good and ok images relevant, junk removed, trapezoid AP",
        published="robots.ox.ac.uk/~vgg/data/parisbuildings",
        files="defense_1_query.txt and so on (or gnd_paris6k.pkl) and jpg/",
        size=(None, 55),
        notes=(_CONTAMINATION, _BLURRED),
    ),
    Loader(
        name="holidays",
        title="INRIA Holidays (2008)",
        read=groups.read_holidays,
        protocol="mAP, query removed, trapezoid AP",
        published="lear.inrialpes.fr/people/jegou/data.php",
        files="100000.jpg and so on, in jpg1/ and jpg2/ or in one folder",
        size=(1491, 500),
        notes=("Photos are turned as their EXIF orientation says; turning them by hand raises the figures.",),
    ),
    Loader(
        name="ukbench",
        title="UKBench (2006)",
        read=groups.read_ukbench,
        protocol="N-S, right ones among the first four, at most 4",
        published="archive.org/details/ukbench",
        files="full/ukbench00000.jpg and so on",
        size=(10200, 10200),
    ),
    Loader(
        name="copydays",
        title="INRIA Copydays (2009)",
        read=copydays.read,
        protocol="mAP of the first 20 for each attack, trapezoid AP",
        published="lear.inrialpes.fr/people/jegou/data.php",
        files="original/, strong/, jpegqual/, crops/",
        size=(157, None),
        options=("distractors",),
    ),
    Loader(
        name="met",
        title="The Met (2021)",
        read=met.read,
        protocol="GAP, GAP- and ACC; neighbours and temperature chosen on the validation part",
        published="cmp.felk.cvut.cz/met",
        files="ground_truth/MET_database.json and so on, images/",
        size=(397_121, None),
        notes=(_CONTAMINATION,),
    ),
    Loader(
        name="mini-met",
        title="The Met, smaller database (2021)",
        read=met.read,
        protocol="GAP, GAP- and ACC; neighbours and temperature chosen on the validation part",
        published="cmp.felk.cvut.cz/met",
        files="ground_truth/mini_MET_database.json and so on, images/",
        notes=(_CONTAMINATION,),
    ),
    Loader(
        name="amstertime",
        title="AmsterTime (2022)",
        read=amstertime.read,
        protocol="mAP (rectangular), hit@1/5; new asks old, old asks new, and both",
        published="github.com/seyrankhademi/AmsterTime",
        files="new/ and old/",
        size=(2462, 2462),
        notes=(_CONTAMINATION,),
    ),
    Loader(
        name="gldv2-retrieval",
        title="Google Landmarks v2, retrieval (2020)",
        read=gldv2.read_retrieval,
        protocol="mAP@100 (rectangular), public and private queries",
        published="github.com/cvdfoundation/google-landmark",
        files="index/ and test/, index.csv, retrieval_solution_v2.1.csv",
        size=(761_757, None),
        notes=(_CONTAMINATION,),
    ),
    Loader(
        name="gldv2-recognition",
        title="Google Landmarks v2, recognition, cleaned train part (2020)",
        read=gldv2.read_recognition,
        protocol="GAP of the nearest image's landmark, public and private queries",
        published="github.com/cvdfoundation/google-landmark",
        files="train/ and test/, train_clean.csv, recognition_solution_v2.1.csv",
        notes=(_CONTAMINATION,),
    ),
    Loader(
        name="gldv2-recognition-full",
        title="Google Landmarks v2, recognition, full train part (2020)",
        read=gldv2.read_recognition,
        protocol="GAP of the nearest image's landmark, public and private queries",
        published="github.com/cvdfoundation/google-landmark",
        files="train/ and test/, train.csv, recognition_solution_v2.1.csv",
        size=(4_132_914, None),
        notes=(_CONTAMINATION,),
    ),
    Loader(
        name="instre",
        title="INSTRE, split of Iscen et al. (2017)",
        read=instre.read,
        protocol="mAP, trapezoid AP",
        published="ftp.irisa.fr/local/texmex/corpus/instre",
        files="gnd_instre.mat, INSTRE-S1/, INSTRE-S2/, INSTRE-M/",
        size=(27_293, 1250),
    ),
    Loader(
        name="ilias",
        title="ILIAS (2025)",
        read=ilias.read,
        protocol="mAP@1k (rectangular)",
        published="github.com/ilias-vrg/ilias",
        files="ilias_core/, image_ids/, yfcc100m/ (6.3 TB with all distractors)",
        size=(None, 1232),
    ),
    Loader(
        name="mini-ilias",
        title="mini-ILIAS (2025)",
        read=ilias.read,
        protocol="mAP@1k (rectangular)",
        published="github.com/ilias-vrg/ilias",
        files="ilias_core/, image_ids/, yfcc100m/",
        size=(None, 1232),
    ),
    Loader(
        name="gpr1200",
        title="GPR1200 (2021)",
        read=groups.read_gpr1200,
        protocol="mAP (rectangular), query counted as the official code does, and removed",
        published="github.com/Visual-Computing/GPR1200",
        files="images/CATEGORY_NAME.jpg",
        size=(12_000, 12_000),
    ),
    Loader(
        name="sop",
        title="Stanford Online Products, test part (2016)",
        read=labelled.read_sop,
        protocol="Recall@1/10/100/1000: a hit among the first k, query removed",
        published="cvgl.stanford.edu/projects/lifted_struct",
        files="Ebay_test.txt and *_final/",
        size=(60_502, 60_502),
    ),
    Loader(
        name="cub",
        title="CUB-200-2011, classes 101 to 200 (2011)",
        read=labelled.read_cub,
        protocol="Recall@1/2/4/8: a hit among the first k, query removed",
        published="vision.caltech.edu/datasets/cub_200_2011",
        files="images/, images.txt, image_class_labels.txt",
    ),
    Loader(
        name="food101",
        title="Food-101, k-NN (2014)",
        read=labelled.read_food101,
        protocol="top-1 of 20 nearest neighbours, each vote exp(cosine / 0.07)",
        published="data.vision.ee.ethz.ch/cvl/datasets_extra/food-101",
        files="images/ and meta/train.json, meta/test.json",
        size=(75_750, 25_250),
    ),
    Loader(
        name="imagenet",
        title="ImageNet-1k, k-NN (2012)",
        read=labelled.read_imagenet,
        protocol="top-1 of 20 nearest neighbours, each vote exp(cosine / 0.07)",
        published="image-net.org",
        files="train/CLASS/ and val/CLASS/",
        size=(1_281_167, 50_000),
        notes=(_TRAINED,),
    ),
    Loader(
        name="folder",
        title="Your own photos",
        read=folder.read,
        protocol="mAP (rectangular), hit@1/5, P@5/10, recall@10; query removed",
        published="on your own disk",
        files="a folder for each label, or a CSV file with the columns path and label",
    ),
)

DATASETS: dict[str, Loader] = {loader.name: loader for loader in _LOADERS}
"""What `load` knows, by name."""


@checked
def load(name: str, data: Path, *, distractors: Path | None = None) -> Dataset:
    """Read a data set's ground truth; no image is opened.

    Args:
        name: key of `DATASETS`.
        data: the folder that was downloaded, or one that holds it; for `folder` a CSV file too.
        distractors: images that are added to the database, for the sets whose line in the table has this option.

    Raises:
        DatasetError: there is no such data set or folder, or the data set is incomplete or damaged.
    """
    loader = DATASETS.get(name)
    if loader is None:
        raise DatasetError(f"there is no data set {name!r}; see: ", run("benchmark", "--list"))
    data = Path(os.path.abspath(data))
    if not data.exists():
        raise DatasetError(
            f"{data} does not exist; name the place of {loader.title}: {loader.files} ({loader.published})"
        )
    if not data.is_dir() and loader.read is not folder.read:
        raise DatasetError(f"{data} is a file; name the folder that holds {loader.files}")
    if distractors is not None and "distractors" not in loader.options:
        able = [other.name for other in _LOADERS if "distractors" in other.options]
        raise DatasetError(f"{name} takes no distractors; {', '.join(able)} do")
    options = {} if distractors is None else {"distractors": distractors}
    found = loader.read(loader, data, **options)
    return _with_notes(found, loader)


def _with_notes(dataset: Dataset, loader: Loader) -> Dataset:
    """Add what must stand beside any figure, and whether this is the whole of the published set."""
    notes = [*dataset.notes, *loader.notes]
    for what, published, here in zip(
        ("images", "queries"), loader.size, (dataset.images, dataset.queries), strict=True
    ):
        if published is not None and len(here) < published:
            notes.append(f"The published set has {published:,} {what}, this one {len(here):,}; do not compare figures.")
    return replace(dataset, notes=tuple(notes))
