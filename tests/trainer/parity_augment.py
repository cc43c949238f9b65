"""Augmented images against torchvision's functions, called with the parameters that were drawn here, and erasing and
cropping against the ranges of torchvision's own draws. Usage: parity_augment.py PARITY_AUGMENT"""
import math
import os
import subprocess
import sys
import tempfile

try:
    import numpy as np
    import torch
    import torchvision.transforms as T
    import torchvision.transforms.functional as F
    from torchvision.transforms import InterpolationMode
except ImportError as e:
    print("skipped: %s" % e)
    sys.exit(77)

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
OFF = "flip=false crop_padding=0 "
FIELDS = ("flip dx dy vertical fill resampled width height turned cosine sine on brightness contrast saturation hue "
          "ex0 ex1 ey0 ey1 cx0 cx1 cy0 cy1").split()
# name -> options, and the largest distance of a value that is normalised (1/255 is 0.017)
CASES = {
    "nothing": (OFF, 1e-6),
    "padded crop": ("flip=true crop_padding=4", 1e-6),
    "reflected crop": ("flip=true flip_mode=alternating crop_padding=5 crop_fill=reflect", 1e-6),
    "flips": (OFF + "flip=true vertical_flip=true", 1e-6),
    "resized crop": (OFF + "flip=true random_resized_crop=true", 2e-5),
    "large resized crop": (OFF + "vertical_flip=true random_resized_crop=true scale_min=0.5 ratio_min=0.5 ratio_max=2",
                           2e-5),
    "rotation": (OFF + "flip=true rotation=45", 2e-4),
    "any rotation": (OFF + "vertical_flip=true rotation=180", 2e-4),
    "brightness": (OFF + "brightness=0.6", 2e-5),
    "contrast": (OFF + "contrast=0.6", 2e-5),
    "saturation": (OFF + "saturation=1.5", 2e-5),
    "hue": (OFF + "hue=0.5", 1e-4),
    "colour": ("crop_padding=3 brightness=0.4 contrast=0.4 saturation=0.4 hue=0.1", 1e-4),
    "erasing": ("crop_padding=2 erasing=0.7", 1e-6),
    "cutout": (OFF + "cutout=9", 1e-6),
    "all": ("random_resized_crop=true crop_fill=reflect brightness=0.3 contrast=0.3 saturation=0.3 hue=0.2 erasing=0.5 "
            "cutout=6", 1e-4),
}


def ours(program, options, images, epoch):
    n, h, w, _ = images.shape
    with tempfile.TemporaryDirectory() as d:
        src, dst = os.path.join(d, "in"), os.path.join(d, "out")
        images.tofile(src)
        text = subprocess.run([program, options, str(h), str(w), str(n), str(epoch), src, dst], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        drawn = [dict(zip(FIELDS, map(float, line.split()))) for line in text.splitlines()]
        return drawn, np.fromfile(dst, np.float32).reshape(n, 3, h, w)


def geometry(img, p, padding):
    h, w = img.shape[-2:]
    if p["resampled"] and not p["turned"]:
        img = F.resized_crop(img, int(p["dy"]), int(p["dx"]), int(p["height"]), int(p["width"]), [h, w],
                             InterpolationMode.BILINEAR)
    elif padding:
        img = F.pad(img, [padding] * 4, padding_mode="reflect" if p["fill"] else "constant")
        img = F.crop(img, int(p["dy"]) + padding, int(p["dx"]) + padding, h, w)
    if p["flip"]:
        img = F.hflip(img)
    if p["vertical"]:
        img = F.vflip(img)
    if p["turned"]:
        img = F.rotate(img, math.degrees(math.atan2(p["sine"], p["cosine"])), InterpolationMode.BILINEAR)
    return img


def theirs(image, p, padding):
    img = geometry(torch.from_numpy(image).permute(2, 0, 1).float() / 255, p, padding)
    if p["on"]:
        img = F.adjust_brightness(img, p["brightness"])
        img = F.adjust_contrast(img, p["contrast"])
        img = F.adjust_saturation(img, p["saturation"])
        img = F.adjust_hue(img, p["hue"])
    img = F.normalize(img, MEAN, STD)
    for k in "ec":
        x0, x1, y0, y1 = (int(p[k + e]) for e in ("x0", "x1", "y0", "y1"))
        img = F.erase(img, y0, x0, y1 - y0, x1 - x0, torch.zeros(3, 1, 1))
    return img.numpy()


def images_of(n, h, w):
    """Smooth pictures with an edge and some noise; a few are grey, where a hue is not defined."""
    rng = np.random.RandomState(3)
    y, x = np.mgrid[0:h, 0:w]
    out = np.zeros((n, h, w, 3))
    for i in range(n):
        for c in range(3):
            a, b, t = rng.rand(3) * [0.5, 0.5, 6]
            out[i, :, :, c] = 128 + 80 * np.sin(a * x + b * y + t) + rng.randn(h, w) * 20
        out[i, h // 3:h // 2, w // 4:, :] += rng.randint(-90, 90, 3)
        if i % 8 == 7:
            out[i, :, :, 1:] = out[i, :, :, :1]
    return np.clip(out, 0, 255).astype(np.uint8)


def check(program, name, shape):
    options, most = CASES[name]
    images = images_of(24, *shape)
    padding = 0 if "random_resized" in options else int(dict(o.split("=") for o in options.split()).get("crop_padding", 4))
    worst = changed = 0
    for epoch in (0, 5):
        drawn, got = ours(program, options, images, epoch)
        for i, p in enumerate(drawn):
            want = theirs(images[i], p, padding)
            plain = F.normalize(torch.from_numpy(images[i]).permute(2, 0, 1).float() / 255, MEAN, STD).numpy()
            worst = max(worst, np.abs(got[i] - want).max())
            changed += np.abs(got[i] - plain).max() > 1e-3
    ok = worst <= most and (changed > 0) == (name != "nothing")
    print("%-20s %2d x %2d  %2d of 48 images changed, largest distance %.1e%s" % (name, *shape, changed, worst,
                                                                           "" if ok else "  WRONG"))
    return ok


def composed(program):
    """A crop that is then turned is sampled once, not twice: inside of it the same as one affine map of the source."""
    images, worst, inside = images_of(24, 32, 32), 0, 0
    drawn, got = ours(program, OFF + "flip=true random_resized_crop=true scale_min=0.4 rotation=30", images, 1)
    y, x = np.mgrid[0:32, 0:32].astype(np.float64)
    for i, p in enumerate(drawn):
        u = p["cosine"] * (x - 15.5) - p["sine"] * (y - 15.5) + 15.5
        v = p["sine"] * (x - 15.5) + p["cosine"] * (y - 15.5) + 15.5
        seen = (u > 1.5) & (u < 29.5) & (v > 1.5) & (v < 29.5)
        u = 31 - u if p["flip"] else u
        sx, sy = p["dx"] + (u + 0.5) * p["width"] / 32 - 0.5, p["dy"] + (v + 0.5) * p["height"] / 32 - 0.5
        grid = torch.from_numpy(np.stack([(2 * sx + 1) / 32 - 1, (2 * sy + 1) / 32 - 1], -1)[None]).float()
        src = torch.from_numpy(images[i]).permute(2, 0, 1)[None].float() / 255
        want = torch.nn.functional.grid_sample(src, grid, align_corners=False)[0]
        off = np.abs(F.normalize(want, MEAN, STD).numpy() - got[i]).max(0)
        seen &= (sx > p["dx"]) & (sx < p["dx"] + p["width"] - 1) & (sy > p["dy"]) & (sy < p["dy"] + p["height"] - 1)
        worst, inside = max(worst, off[seen].max()), inside + seen.sum()
    ok = worst < 5e-4 and inside > 24 * 400
    print("%-20s %d pixels, largest distance %.1e%s" % ("turned resized crop", inside, worst, "" if ok else "  WRONG"))
    return ok


def ks(a, b):
    """Kolmogorov and Smirnov's distance of two samples, and whether it is one that chance makes."""
    both = np.sort(np.concatenate([a, b]))
    d = np.abs(np.searchsorted(np.sort(a), both, "right") / len(a) -
               np.searchsorted(np.sort(b), both, "right") / len(b)).max()
    return d, d < 1.95 * math.sqrt(2 / len(a))


def draws(program):
    """Crops and rectangles are distributed as torchvision's."""
    torch.manual_seed(0)
    n, h, w = 4000, 32, 32
    images, img, good = np.zeros((n, h, w, 3), np.uint8), torch.zeros(3, h, w), True
    drawn, _ = ours(program, OFF + "random_resized_crop=true erasing=1", images, 3)
    crop = np.array([T.RandomResizedCrop.get_params(img, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(n)], float)
    hole = np.array([T.RandomErasing.get_params(img, (0.02, 0.33), (0.3, 3.3), [0.0])[:4] for _ in range(n)], float)
    mine = np.array([[p["dy"], p["dx"], p["height"], p["width"]] for p in drawn])
    holes = np.array([[p["ey0"], p["ex0"], p["ey1"] - p["ey0"], p["ex1"] - p["ex0"]] for p in drawn])
    for name, a, b in (("crop", mine, crop), ("erasing", holes, hole)):
        for k, field in enumerate(("top", "left", "height", "width")):
            d, ok = ks(a[:, k], b[:, k])
            good &= ok
            print("%-20s %-6s of %d draws, distance %.4f%s" % (name, field, n, d, "" if ok else "  WRONG"))
        d, ok = ks(a[:, 2] * a[:, 3], b[:, 2] * b[:, 3])
        good &= ok
        print("%-20s area   of %d draws, distance %.4f%s" % (name, n, d, "" if ok else "  WRONG"))
    return good


def main():
    program = sys.argv[1]
    good = [check(program, name, shape) for name in CASES for shape in ((32, 32), (24, 40))]
    good += [composed(program), draws(program)]
    return 0 if all(good) else 1


sys.exit(main())
