"""scikit-learn's own checks of estimators: all are kept, but for one under the types that the tests enforce, and one
that wants a weight of 2 to be the very same fit as the row twice, whichever rows are held out.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from genwright import Classifier, Mixture, Regressor

TWICE = "rows are held out, and starting points drawn, from the rows as they stand"
TYPED = {
    "check_sample_weight_equivalence_on_dense_data": TWICE,
    "check_do_not_raise_errors_in_init_or_set_params": "the suite checks the types of all arguments as they come",
}
GAUSSIAN = Mixture(components=1)
ESTIMATORS = [Classifier(GAUSSIAN, steps=5), Regressor(GAUSSIAN, steps=5)]


@parametrize_with_checks(ESTIMATORS, expected_failed_checks=lambda estimator: TYPED)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_finds_no_fault(estimator, check):
    check(estimator)
