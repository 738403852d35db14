"""The estimators of the ledger, one object each: name, label, comparison of the arms, and notes.

The same code serves a table and a batch of replicates: outcomes have shape (..., N, m), the
design's arms shape (..., N). So a validation judges what users run. To add an estimator, add its
object to ``ESTIMATORS``: tables, figures, pages, the validation and the docs use it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from netlift.core.arrays import Booleans, Floats, Integers, sum_groups
from netlift.core.errors import NetliftError
from netlift.effects.codes import DIFFERENCE
from netlift.effects.covariates import USED, Covariates
from netlift.inference.arms import ArmDifference, ArmMean, need_units
from netlift.inference.effective_units import effective_units_per_arm
from netlift.inference.estimate import MIN_PER_ARM
from netlift.inference.users import UserErrors
from netlift.promotion.design import Design

OLS_ERROR = "difference_in_means_ols_error"
"""The estimator whose standard errors are not claimed to be valid."""


LIN = "lin"


HAJEK = "hajek"


HORVITZ_THOMPSON = "horvitz_thompson"


FOCAL_OUTCOME = 0
"""Place of the focal item among the outcomes of slates; only where it varies in no control slate
does it matter whether it is the focal item."""


def difference(design: Design, outcomes: Floats, covariates: Floats | None = None) -> ArmDifference:
    """Compare arms, with errors by the unit that was randomized.

    Where probabilities of promotion differ between slates, slates are weighted by them.

    Parameters
    ----------
    outcomes
        Shape (..., N, m).
    covariates
        Pre-treatment, shape (N, k), of one experiment: Lin's (2013) adjustment.

    Raises
    ------
    NetliftError
        In one experiment, an arm has too few units.
    """
    arms = ArmDifference.from_outcomes(
        outcomes,
        design.promoted,
        covariates=covariates,
        weights=design.weights,
        unit=design.unit_or_none,
    )
    return with_known(arms, design)


def with_known(arms: ArmDifference, design: Design) -> ArmDifference:
    """Return the comparison; in control slates an added focal item has no outcome, for sure."""
    if not design.adds_focal_item:
        return arms
    return replace(arms, exact=np.arange(arms.difference.shape[-1]) == FOCAL_OUTCOME)


def plain_difference(design: Design, outcomes: Floats) -> ArmDifference:
    """Compare arms by plain means, ignoring the probabilities; outcomes of shape (..., N, m).

    Raises
    ------
    NetliftError
        In one experiment, an arm has too few units.
    """
    arms = ArmDifference.from_outcomes(outcomes, design.promoted, unit=design.unit_or_none)
    return with_known(arms, design)


def lin_difference(
    design: Design, outcomes: Floats, covariates: Covariates | None
) -> ArmDifference:
    """Compare arms by Lin's (2013) regression, each experiment with the covariates it can estimate.

    Members of a batch are fitted one by one, since their arms' sums of products differ.

    Parameters
    ----------
    outcomes
        Shape (N, m), or (b, N, m) with the design's arms of shape (b, N).

    Raises
    ------
    NetliftError
        In one experiment, an arm has too few units; in a batch its numbers are missing.
    """
    if covariates is None:
        return difference(design, outcomes)
    if design.promoted.ndim == 1:
        need_units(design.promoted, design.unit_or_none)
        return difference(design, outcomes, covariates.chosen(design)[0])
    members: list[ArmDifference | None] = []
    for values, promoted in zip(outcomes, design.promoted, strict=True):
        try:
            members.append(lin_difference(replace(design, promoted=promoted), values, covariates))
        except NetliftError:
            members.append(None)
    return with_known(ArmDifference.stacked(members, outcomes.shape[-1]), design)


def weighted_difference(design: Design, outcomes: Floats) -> ArmDifference:
    """Compare arms by Hajek's (1971) means, each slate weighted by 1 / probability of its arm.

    Parameters
    ----------
    outcomes
        Shape (..., N, m).

    Raises
    ------
    NetliftError
        The probabilities are not known, or in one experiment an arm has too few units.
    """
    design.known_probability()
    # Weights that are the same for all slates of an arm have no effect.
    return difference(design, outcomes)


def expanded_difference(design: Design, outcomes: Floats) -> ArmDifference:
    """Compare arms by Horvitz and Thompson's (1952) means: sums of y / probability, over N.

    Unbiased, while the other means are only nearly unbiased; less precise, since an arm that is
    larger by chance has a larger mean. Its covariance is the conservative one for independent
    assignments: sums over units of (y / probability)^2, over N^2 (Aronow and Samii 2017).

    Parameters
    ----------
    outcomes
        Shape (..., N, m).

    Raises
    ------
    NetliftError
        The probabilities are not known, or in one experiment an arm has too few units.
    """
    probability = design.known_probability()
    if design.promoted.ndim == 1:
        need_units(design.promoted, design.unit_or_none)
    arms = ((design.promoted, probability), (~design.promoted, 1 - probability))
    treated, control = (_expanded(design, outcomes, *arm) for arm in arms)
    return ArmDifference(treated, control, exact=True)


def _expanded(design: Design, outcomes: Floats, arm: Booleans, probability: Floats) -> ArmMean:
    """Return Horvitz and Thompson's mean of one arm, given each slate's probability to be in it."""
    share = arm / probability / arm.shape[-1]
    by_unit = sum_groups(np.swapaxes(outcomes, -1, -2) * share[..., None, :], design.unit)
    n_units = np.count_nonzero(sum_groups(share, design.unit), axis=-1)
    few = np.where(n_units < MIN_PER_ARM, np.nan, 1.0)
    return ArmMean(
        by_unit.sum(axis=-1) * few[..., None],
        by_unit @ np.swapaxes(by_unit, -1, -2) * few[..., None, None],
        n_units - 1.0,
        arm.sum(axis=-1),
    )


def plain_by_user(
    outcomes: Floats, design: Design, covariates: Covariates | None, user: Integers
) -> UserErrors:
    """Return the error of plain means, clustered by user (see ``UserErrors``)."""
    return UserErrors.from_outcomes(outcomes, design.promoted, user)


def weighted_by_user(
    outcomes: Floats, design: Design, covariates: Covariates | None, user: Integers
) -> UserErrors:
    """Return the error of means weighted by the probabilities, clustered by user."""
    return UserErrors.from_outcomes(outcomes, design.promoted, user, weights=design.weights)


def lin_by_user(
    outcomes: Floats, design: Design, covariates: Covariates | None, user: Integers
) -> UserErrors:
    """Return the error of Lin's regression, clustered by user."""
    chosen = None if covariates is None else covariates.chosen(design)[0]
    return UserErrors.from_outcomes(
        outcomes, design.promoted, user, covariates=chosen, weights=design.weights
    )


def expanded_by_user(
    outcomes: Floats, design: Design, covariates: Covariates | None, user: Integers
) -> UserErrors:
    """Return the error of Horvitz and Thompson's difference, a mean of scores, by user."""
    sign = np.where(design.promoted, 1.0, -1.0) * design.inverse_probability()
    return UserErrors.from_scores(outcomes * sign[:, None], user)


def _no_note(design: Design, covariates: Covariates | None) -> str | None:
    return None


def _plain_note(design: Design, covariates: Covariates | None) -> str | None:
    if design.weights is None:
        return None
    return (
        "probabilities of promotion differ between slates, which plain means do not take into "
        f"account: see {HAJEK}"
    )


def _ols_note(design: Design, covariates: Covariates | None) -> str | None:
    note = _plain_note(design, covariates)
    if note is None and not design.by_slate:
        return f"its errors ignore that {design.unit_name}s were randomized"
    return note


def _lin_note(design: Design, covariates: Covariates | None) -> str | None:
    status = {} if covariates is None else covariates.chosen(design)[1]
    used = [name for name, why in status.items() if why == USED]
    dropped = [f"{name} ({why})" for name, why in status.items() if why != USED]
    note = f"adjusted for {', '.join(used) or 'nothing'}"
    return note + (f"; dropped: {', '.join(dropped)}" if dropped else "")


Compare = Callable[[Floats, Design, Covariates | None], ArmDifference]


ByUser = Callable[[Floats, Design, Covariates | None, Integers], UserErrors]


Note = Callable[[Design, Covariates | None], str | None]


@dataclass(frozen=True)
class Estimator:
    """One estimator of the ledger.

    Attributes
    ----------
    name
        Its code in tables.
    label
        Its name for people.
    what, errors
        Descriptions of the estimator and of its errors, for the docs.
    compare
        Compares the arms, from outcomes of shape (..., N, m), the design with arms of shape
        (..., N), and covariates, if any. One linear map for all outcomes, so that parts add up to
        totals exactly. Raises ``NetliftError`` where a requirement is not met.
    note
        Returns a remark about its numbers under a design, or None.
    by_user
        Returns its errors for users like these, given each slate's user, of one experiment; None
        for an estimator without them.
    """

    name: str
    label: str
    what: str
    errors: str
    compare: Compare
    note: Note = _no_note
    by_user: ByUser | None = None


ESTIMATORS: Mapping[str, Estimator] = {
    estimator.name: estimator
    for estimator in (
        Estimator(
            DIFFERENCE,
            "Difference in means",
            "means of promoted minus means of control slates",
            "Neyman's S1/n1 + S0/n0 (Neyman 1923), whose diagonal is HC2's; the jackknife's where "
            "users were randomized",
            lambda outcomes, design, _: plain_difference(design, outcomes),
            _plain_note,
            plain_by_user,
        ),
        Estimator(
            OLS_ERROR,
            "Means, plain OLS errors",
            "the same",
            "plain OLS: one variance for both arms, as in the reference study",
            lambda outcomes, design, _: ArmDifference.from_outcomes(
                outcomes, design.promoted
            ).pooled(),
            _ols_note,
        ),
        Estimator(
            LIN,
            "Lin's regression",
            "regression on D, centered covariates, and their products (Lin 2013)",
            "HC2; the jackknife's where users were randomized or probabilities differ",
            lambda outcomes, design, covariates: lin_difference(design, outcomes, covariates),
            _lin_note,
            lin_by_user,
        ),
        Estimator(
            HAJEK,
            "Hájek",
            "means weighted by 1/e and 1/(1-e) (Hajek 1971); the difference in means where e is "
            "the same for all",
            "the jackknife's over randomized units (MacKinnon, Nielsen and Webb 2023)",
            lambda outcomes, design, _: weighted_difference(design, outcomes),
            by_user=weighted_by_user,
        ),
        Estimator(
            HORVITZ_THOMPSON,
            "Horvitz\N{EN DASH}Thompson",
            "sums of y/e and y/(1-e) over all N slates (Horvitz and Thompson 1952): unbiased, "
            "less precise",
            "conservative for independent assignments (Aronow and Samii 2017)",
            lambda outcomes, design, _: expanded_difference(design, outcomes),
            by_user=expanded_by_user,
        ),
    )
}
"""Estimators by name, in the order of tables and figures."""


DECLARED = (LIN, DIFFERENCE)
"""What may be declared as the main estimator, the estimator of statements and figures."""


UNITS_OF_MAIN = 20
"""Effective randomized units that each arm needs for every coefficient of Lin's regression, for it
to be the main estimator: with fewer it may be less precise than the means (docs/methods.md)."""


def main_estimator(declared: str, design: Design, covariates: Covariates) -> tuple[str, str]:
    """Return the main estimator, and why it is not the declared one; "" if it is.

    The rule looks at arms and covariates, never at outcomes. Where probabilities of promotion
    differ, the difference in means is weighted by them (Hajek's).

    Parameters
    ----------
    declared
        One of ``DECLARED``.
    """
    means = DIFFERENCE if design.weights is None else HAJEK
    if declared != LIN:
        return means, ""
    units = min(effective_units_per_arm(design))
    used = covariates.chosen(design)[0].shape[1] if units >= UNITS_OF_MAIN else 0
    if not used:
        few = f", and an arm has {units:,.0f} effective units" if units < UNITS_OF_MAIN else ""
        return means, f"{ESTIMATORS[LIN].label} was declared; no covariate can be used{few}"
    coefficients = 1 + used
    needed = UNITS_OF_MAIN * coefficients
    if units >= needed:
        return LIN, ""
    return means, (
        f"{ESTIMATORS[LIN].label} was declared; its {coefficients} coefficients need {needed:,} "
        f"effective units in each arm, and one has {units:,.0f}"
    )


def label_of(name: str) -> str:
    """Return the label of an estimator, or its name if the ledger does not have it."""
    return ESTIMATORS[name].label if name in ESTIMATORS else name


def estimators_table() -> str:
    """Return the estimators as a table in Markdown, for the docs."""
    lines = ["| estimator | what it is | errors |", "|---|---|---|"]
    lines += [f"| `{each.name}` | {each.what} | {each.errors} |" for each in ESTIMATORS.values()]
    return "\n".join(lines) + "\n"
