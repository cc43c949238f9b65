"""hpo data preview: a sheet of the training images as the network sees them, and a table of what was mixed."""
import os
import struct
import zlib

from harness import Box, check, equal

box = Box()
box.data(classes=3, per_class=40, size=16)
study = box.study(trainer={"epochs": 4, "batch_size": 16}, data={"folds": {"k": 4, "run": 2}})


def png(name):
    """Width, height and rows of an RGB picture."""
    with open(box.path(name), "rb") as f:
        bytes_ = f.read()
    equal(bytes_[:8], b"\x89PNG\r\n\x1a\n", "the signature")
    at, data = 8, b""
    while at < len(bytes_):
        n, kind = struct.unpack(">I4s", bytes_[at:at + 8])
        if kind == b"IHDR":
            w, h, depth, colour = struct.unpack(">IIBB", bytes_[at + 8:at + 18])
            equal((depth, colour), (8, 2), "8 bits, RGB")
        if kind == b"IDAT":
            data += bytes_[at + 8:at + 8 + n]
        at += 12 + n
    return w, h, zlib.decompress(data)


r = box.hpo("data", "preview", study, "--images", "5", "--epochs", "3", cwd=box.path()).want(0)
check("tiny-preview.png: fold 0, 5 images in the first 3 epochs" in r.out, "it says what it wrote", r)
equal(r.out.count(", -\n") + r.out.count("left over"), 15, "a line for each image and epoch")
w, h, first = png("tiny-preview.png")
equal((w, h), (4 + 5 * (96 + 4), 4 + 4 * (96 + 4)), "5 columns of 4 pictures of 96 pixels")

args = ["data", "preview", study, "--images", "5", "--epochs", "3", "--out", box.path("other.png")]
again = box.hpo(*args).want(0)
equal(png("other.png")[2], first, "the same picture again")
mixed = box.hpo(*args, "--set", "trainer.augment.cutmix=1").want(0, "cutmix ")
check(png("other.png")[2] != first, "another picture when images are mixed", mixed)
plain = box.hpo(*args, "--set", "trainer.augment.mixup=1", "--fold", "1").want(0, "fold 1", "mixup ")

box.hpo(*args, "--fold", "2").want(2, "fold 2 is not trained: there are folds 0 to 1")
box.hpo(*args, "--images", "0").want(2, "--images and --epochs are from 1 to 64")
box.hpo("data", "preview").want(2, "which study?")
box.hpo(*args[:-1], box.path("no", "such", "folder.png")).want(2, "folder.png")
os.unlink(box.path("other.png"))
box.close()
