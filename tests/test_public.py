"""The public names, and what importing them costs."""

import subprocess
import sys

import genwright

PUBLIC = (
    "Layout "
    "GAN VAE ArgumentError Autoregressive Between DataError Dataset Diffusion FlowMatching Generator GenwrightError "
    "MaskedDiffusion MissingDependencyError Mixture OneOf Privacy Score Shares StorageError TrainingError TreeMixture "
    "portable few_steps "
    "Doctor Derived Infill NGram Sampling TwoStage reproduce UnsupportedError __version__ Copula ResourceError "
    "Classifier Regressor Database DatabaseGenerator fit_database load_database read_database write_database "
    "Inpaint Variation rater explain audit_model compare evaluate export_model fit load load_checkpoint read run write "
    "tune SFT DPO GRPO"
)


def test_the_public_names_are_these_and_all_of_them_load():
    assert sorted(genwright.__all__) == sorted(PUBLIC.split())
    for name in PUBLIC.split():
        assert getattr(genwright, name) is not None
        assert name in dir(genwright)


def test_importing_genwright_and_asking_for_help_load_nothing_heavy():
    code = (
        "import sys, genwright, genwright.families\n"
        "from genwright.app.cli import main\n"
        "main(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'pandas', 'numpy', 'sklearn', 'matplotlib', 'PIL', 'rich', 'jinja2'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_fitting_to_something_that_was_not_read_says_what_to_do():
    code = "import genwright as gw, pandas as pd; gw.fit(pd.DataFrame({'a': [1, 2]}))"  # where no types are checked
    run = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "fit takes a dataset, not a DataFrame" in run.stderr and "gw.read(data)" in run.stderr
