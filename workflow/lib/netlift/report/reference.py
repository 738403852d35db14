"""Glossary, and methods with their formulas and papers: what a reader looks up.

Texts are templates of ``netlift.core.outcome``.
"""

from __future__ import annotations

from netlift.effects.codes import DIFFERENCE
from netlift.effects.estimators import HAJEK, HORVITZ_THOMPSON, LIN, label_of

GLOSSARY: list[tuple[str, str]] = [
    ("Slate", "The list of items that one user sees at once."),
    (
        "Focal item",
        "The item of a slate that is promoted, or would be. Several focal items of a slate are a "
        "promoted set: the direct effect is that of all of them together.",
    ),
    (
        "Promotion",
        "What is done to a promoted slate: its focal item moves to a stated position; or it is "
        "inserted, or takes the place of another item; or it is marked, and nothing moves; or the "
        "slate has another order. Which one it is here, the assumptions of this run say.",
    ),
    (
        "Delivered promotion",
        "One that was carried out, whatever was drawn. The arm of a slate is what was drawn.",
    ),
    ("Displaced item", "An item that the promotion moves down, in either arm."),
    ("Pushed out", "Shown without promotion, and not with it: its {clicks} are then 0."),
    ("Cluster", "A group of items that are close substitutes, such as a genre."),
    (
        "Component",
        "The part of the ledger to which an item row belongs: focal item, same-cluster "
        "competitors, other competitors.",
    ),
    ("Direct effect", "What the focal item gains."),
    ("Indirect effect, spillover", "What all other items of the slate gain or lose together."),
    ("Total effect, net change", "Direct plus indirect: what the slate as a whole gains."),
    ("Exposure", "Which items a promotion can affect, according to a definition."),
    ("Leakage", "A change on items that a definition calls unexposed."),
    ("World", "A competition model with its parameters, which says how attention moves."),
    (
        "Known effect",
        "In a simulated world: the change in {click_probabilities}, without the noise of {clicks}.",
    ),
    (
        "95% interval",
        "Computed so that it covers the true value in 95 of 100 such experiments.",
    ),
    (
        "Undecided",
        "The interval covers the value that it is compared with. This is not proof of no effect.",
    ),
    ("Policy, rule", "Which slates to promote, by what is known before promotion."),
    (
        "Gate",
        "A rule is recommended only if its lower bound, which holds for all rules at once, is "
        "above zero.",
    ),
    ("Percent of bound", "The smallest possible variance divided by an estimator's variance."),
    ("{Clicks} per item row", "The change of one item, averaged over items."),
    ("{Clicks} per slate", "The change of all items of a kind in one slate, added up."),
    ("{Clicks} per 1,000 promoted slates", "1,000 times {clicks} per slate."),
]

METHODS: list[tuple[str, str, str]] = [
    (
        label_of(DIFFERENCE),
        "τ = mean(Y | D = 1) − mean(Y | D = 0), variance S₁²/n₁ + S₀²/n₀; one covariance of the "
        "three components, from which the total's is 1′V1",
        "Neyman 1923",
    ),
    (
        label_of(LIN),
        "Y on D, centered X, and D × X, with HC2 errors; the same X for every component, so parts "
        "add up",
        "Lin 2013",
    ),
    (
        f"{label_of(HAJEK)} and {label_of(HORVITZ_THOMPSON)}",
        "sums weighted by 1/e and 1/(1 − e), with the known probability of promotion e",
        "Hájek 1971; Horvitz and Thompson 1952; Aronow and Samii 2017",
    ),
    (
        "Shares and ratios",
        "all r for which (a − r b)² ≤ t² var(a − r b): Fieller's set, which may be unbounded",
        "Fieller 1954",
    ),
    (
        "Delivered promotions",
        "(effect of the draw on Y) / (effect of the draw on deliveries T), for each part; all r "
        "for which the effect of the draw on Y − r T may be zero, by the joint covariance",
        "Imbens and Angrist 1994; Anderson and Rubin 1949; Staiger and Stock 1997",
    ),
    (
        "Effects per item row",
        "least squares on rows, CR2 errors by the randomized unit, Satterthwaite's "
        "degrees of freedom",
        "Bell and McCaffrey 2002; Pustejovsky and Tipton 2018",
    ),
    (
        "Randomization tests",
        "p = (1 + number of assignments as extreme) / (assignments drawn + 1), on non-focal rows; "
        "adjusted by step-down",
        "Fisher 1935; Phipson and Smyth 2010; Westfall and Young 1993; Wu and Ding 2021",
    ),
    (
        "Segments",
        "simultaneous intervals at level 0.95^(1/m); empirical Bayes with τ² by Paule and Mandel; "
        "Cochran's Q",
        "Šidák 1967; Efron and Morris 1975; Paule and Mandel 1982; Cochran 1954",
    ),
    (
        "AIPW",
        "G = m₁ − m₀ + D (Y − m₁)/e − (1 − D)(Y − m₀)/(1 − e), with cross-fitted models and the "
        "known e",
        "Robins, Rotnitzky and Zhao 1994",
    ),
    (
        "Bound",
        "E[s₁²/e + s₀²/(1 − e) + (τ(X) − τ)²] / N, s² the variance of a slate's {clicks}",
        "Hahn 1998",
    ),
    (
        "Who gains",
        "effects by fifths of predicted effect, slope of scores on predictions, TOC; each fold by "
        "models of the folds before it",
        "Chernozhukov and others 2018; Yadlowsky and others 2025; Wager 2024",
    ),
    (
        "Policy value",
        "mean of π(X) (G − cost), relative to promoting nothing; bounds by the maximum of "
        "correlated t variables",
        "Athey and Wager 2021",
    ),
]
"""What is computed, its formula, and the papers. docs/methods.md has the references in full."""
