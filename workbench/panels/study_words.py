"""The words of maps, indexes, local features and trainings: two sentences, the formula, the source."""

from __future__ import annotations

STUDY_WORDS: dict[str, tuple[str, str, str]] = {
    "hard query": (
        "A query drawn at random from the quarter with the lowest AP under this pipeline. The queries on "
        "which a pipeline fails say more about it than those on which it succeeds.",
        "",
        "",
    ),
    "errors and missed positives": (
        "With R positives, a perfect ranking has them in its first R places: a negative there is an error, a "
        "positive further down is missed. There are as many errors as missed positives.",
        "errors / R = 1 − R-precision",
        "Manning, Raghavan and Schütze 2008, section 8.4",
    ),
    "moment": (
        "A frame of a video that belongs to the collection as an image does. Moments are taken at a fixed "
        "rate, once a second by default, or some from each shot, and are named by file and time.",
        "clips/a.mp4#t=12.40",
        "Media Fragments URI 1.0, W3C 2012",
    ),
    "shot": (
        "The frames between two cuts, fades or dissolves, filmed by one camera without a break. Shots are "
        "detected from the frames, so some boundaries may be missing or wrong.",
        "",
        "docs/video.md",
    ),
    "summary": (
        "The moments to which all moments are most similar, chosen greedily, and their coverage. No other "
        "choice of as many moments covers more than the bound that is given.",
        "coverage = mean over moments i of max over chosen j of max(0, ⟨f(i), f(j)⟩)",
        "Nemhauser, Wolsey and Fisher 1978 (greedy choice ≥ 1 − 1/e of the best)",
    ),
    "frame similarity": (
        "The cosine of each pair of frames of two videos, the first from bottom to top and the second from "
        "left to right. A copied segment is a bright line; its slope is the speed of the copy.",
        "S(i, j) = ⟨f(i), g(j)⟩",
        "Douze, Jégou and Schmid 2010",
    ),
    "timeline": (
        "The similarity of each moment to the query, from the first frame of a video on the left to the last "
        "on the right. All videos share one scale of colours; the marks above a strip are results of the "
        "ranking: ▼ right, × wrong, | not judged.",
        "colour = (score − lowest) / (highest − lowest)",
        "",
    ),
    "boxes": (
        "In each result, the region that is most similar to the query is taken for the place of the query. "
        "Where trained proposals exist, they refine its box.",
        "box = argmax over regions r of ⟨q, f(r)⟩",
        "docs/regions.md",
    ),
    "map method": (
        "PCA shows the directions in which the descriptors vary most, to scale; UMAP and t-SNE keep near "
        "images together and distort the rest. Neighbours (UMAP) and perplexity (t-SNE) say how many near "
        "images determine the place of a point, and minimum distance how near to each other points may be.",
        "perplexity = 2^H, H the entropy of the weights of the neighbours",
        "McInnes et al. 2018 (UMAP); van der Maaten and Hinton 2008 (t-SNE)",
    ),
    "cluster": (
        "A group of images whose descriptors are near the same mean, found by k-means without any label. "
        "Cluster 1 is the largest.",
        "minimise Σ ‖x − mean of its cluster‖²",
        "Lloyd 1982; Dhillon and Modha 2001 (unit vectors)",
    ),
    "concepts of images": (
        "Names of WordNet, by their share: the mean probability, by the embedded classifier, of all classes "
        "that have the name. The first are both frequent in these images and rare elsewhere.",
        "share · log₂(share / elsewhere)",
        "Nigam et al. 2000 (weighted log-likelihood ratio)",
    ),
    "nprobe": (
        "The number of cells of an inverted index that are searched: those whose centroids are nearest to "
        "the query. With more cells fewer images are lost, and a search takes longer.",
        "images compared ≈ nprobe · N / cells",
        "Jégou et al., TPAMI 2011",
    ),
    "imbalance": (
        "How unequally the cells of an inverted index are filled: 1 means that all hold as many images. A "
        "query falls into large cells more often, so it is compared with that many times more images.",
        "u = K · Σ nₖ² / N²  (K cells of nₖ images)",
        "Jégou, Douze and Schmid, IJCV 2010",
    ),
    "binary codes": (
        "Each descriptor becomes a string of bits, such that similar descriptors have similar strings. The "
        "distance is the number of bits that differ; sh divides it by the number of bits that are 1 in both.",
        "d = |a ⊕ b|;  sh: |a ⊕ b| / |a ∧ b|",
        "Charikar 2002 (lsh); Gong et al. 2013 (itq); Heo et al., CVPR 2012 (sh)",
    ),
    "phone budget": (
        "A phone sends a picture, a vector or a code of it, or holds the codes of the collection and sends "
        "nothing. The fewer bytes are sent, the more of the network's weights and work are on the phone.",
        "held = 2 · weights + codebooks + images · bytes of a code",
        "Girod et al., IEEE Signal Processing Magazine 2011; Duan et al., IEEE TIP 2016",
    ),
    "re-rankers": (
        "Methods that sort the first results of a search again: by other descriptors near them, or by "
        "verifying that keypoints of query and result agree on one geometric model.",
        "sv-MODEL-ESTIMATOR:N, as in sv-affine-single:100",
        "Philbin et al., CVPR 2007; Chum et al., ICCV 2007; Zhong et al., CVPR 2017; Iscen et al., CVPR 2017",
    ),
    "classes of pairs": (
        "What makes a pair hard, as measured: planar (a homography explains what a fundamental matrix does) "
        "or not, a wide baseline (change of area, rotation, tilt), repeated structure (the query matches "
        "itself elsewhere), few keypoints. Pairs on which no model was found are in no class of viewpoint.",
        "planarity = inliers of F that H explains / inliers of F",
        "Hartley and Zisserman 2004; Philbin et al., CVPR 2007",
    ),
    "fine-tuning": (
        "The last blocks of the backbone are trained further, so that images of one label come nearer to "
        "each other than to images of other labels. The loss measures how far they are from that; an "
        "epoch is one pass over the training images.",
        "triplet: max(0, d(a, positive) − d(a, negative) + margin)",
        "Schroff et al., CVPR 2015; Hadsell et al., CVPR 2006; Babenko et al., ECCV 2014",
    ),
    "regional attention": (
        "A small network that gives each region a weight, so that clutter counts less in the descriptor of "
        "an image. It is trained on composites, photos pasted among clutter, while the backbone stays as it "
        "is.",
        "weight(r) = softplus(v · tanh(W [mean of r, mean of the image] + b) + c)",
        "Kim and Yoon, BMVC 2018",
    ),
    "region proposals": (
        "Regions that a small trained network takes for an object, whatever the object is. Objectness is how "
        "sure it is of that, from 0 to 1.",
        "",
        "Ren et al., NIPS 2015",
    ),
    "keypoints": (
        "Places such as corners and blobs that are detected again in another picture of the same thing, each "
        "with a descriptor of the patch around it. sift counts the directions of edges in the patch, hardnet "
        "is a small trained network, and xfeat, aliked and disk are networks that also find the places, "
        "without scale and direction, so that their circles are alike.",
        "",
        "Lowe, IJCV 2004; Mishchuk et al., NIPS 2017; Potje et al., CVPR 2024; Zhao et al., IEEE TIM 2023; "
        "Tyszkiewicz et al., NeurIPS 2020",
    ),
    "LightGlue": (
        "A network that matches the keypoints of two pictures by looking at all of both, in place of nearest "
        "descriptors and the ratio test. It takes up to seconds a pair, and its score says how sure a match "
        "is, from 0 to 1.",
        "",
        "Lindenberger et al., ICCV 2023",
    ),
    "visual words": (
        "The descriptors of keypoints are replaced by the nearest of some thousand centroids, the words, and "
        "an image is described by how often it contains each word. A word that few images contain counts "
        "more (idf).",
        "idf = log(N / images that contain the word)",
        "Sivic and Zisserman, ICCV 2003",
    ),
    "ASMK": (
        "The differences of keypoints from their word are summed, and two pictures are as similar as their "
        "sums of the same words point in one direction, much more for the same than for half the same. "
        "Binarised, a sum is one bit a dimension: its sign.",
        "γ(X) γ(Y) Σ σ(V(X) · V(Y)), σ(u) = sign(u) |u|^α if u > τ, else 0",
        "Tolias et al., ICCV 2013 and IJCV 2016",
    ),
    "spatial verification": (
        "The first results are ordered again by their inliers: matches of keypoints that one change of "
        "viewpoint explains. Results with too few inliers keep their order, behind the others.",
        "",
        "Philbin et al., CVPR 2007",
    ),
    "hardest negative": (
        "In a batch of pairs of patches, the patch of another place that is nearest to the anchor or to its "
        "positive. HardNet learns from these negatives alone, as most others are far away already.",
        "loss = max(0, 1 + d(a, p) − min(d(a, p'), d(a', p)))",
        "Mishchuk et al., NIPS 2017",
    ),
}
