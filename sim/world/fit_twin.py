"""Fit the twin and the outcome mechanism to a Telco table: `python -m sim.world.fit_twin TABLE.csv`.

Running the module rewrites the data file of this package. Nothing in the simulator imports it.
"""

import numpy as np
from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # scikit-learn ships no types

from sim.world.mechanism import INTERCEPT, Mechanism, design
from sim.world.table import Table

TERMS = (
    "gender=Male",
    "SeniorCitizen=1",
    "Partner=Yes",
    "Dependents=Yes",
    "PhoneService=No",
    "MultipleLines=Yes",
    "InternetService=Fiber optic",
    "InternetService=No",
    "OnlineSecurity=Yes",
    "OnlineBackup=Yes",
    "DeviceProtection=Yes",
    "TechSupport=Yes",
    "StreamingTV=Yes",
    "StreamingMovies=Yes",
    "Contract=One year",
    "Contract=Two year",
    "PaperlessBilling=Yes",
    "PaymentMethod=Credit card (automatic)",
    "PaymentMethod=Electronic check",
    "PaymentMethod=Mailed check",
    "tenure/12",
    "log1p(tenure)",
    "hinge(tenure, 60)/12",
    "MonthlyCharges/10",
    "Contract=One year & tenure/12",
    "Contract=Two year & tenure/12",
    "Contract=One year & InternetService=Fiber optic",
    "Contract=One year & InternetService=No",
    "Contract=Two year & InternetService=No",
    "Contract=One year & StreamingMovies=Yes",
    "Contract=Two year & StreamingMovies=Yes",
    "Contract=One year & TechSupport=Yes",
    "Contract=Two year & OnlineSecurity=Yes",
    "InternetService=No & log1p(tenure)",
    "InternetService=Fiber optic & PaperlessBilling=Yes",
    "PaymentMethod=Electronic check & log1p(tenure)",
    "TechSupport=Yes & PaperlessBilling=Yes",
    "TechSupport=Yes & StreamingMovies=Yes",
    "Dependents=Yes & PaperlessBilling=Yes",
    "Dependents=Yes & PhoneService=No",
    "SeniorCitizen=1 & MultipleLines=Yes",
)
"""The terms of the Telco mechanism. Interactions were chosen by score tests; with them a LightGBM that starts from
the mechanism's own log-odds finds nothing more in cross-validation. TotalCharges is left out: it follows from tenure
and price, and would let a drift of either move the outcome twice."""

_MECHANISM_C = 0.1  # inverse strength of the ridge penalty on standardised terms; cross-validated AUC is flat here


def fit_mechanism(table: Table) -> Mechanism:
    """Return the mechanism of `TERMS` fitted by ridge-penalised logistic regression.

    The intercept is free, so the mean propensity of the table is its churn rate. Coefficients are rounded to 6
    decimals.
    """
    terms = design(TERMS, table.features, table.schema)
    spread = terms.std(axis=0)
    spread[spread == 0.0] = 1.0
    model = LogisticRegression(C=_MECHANISM_C, solver="newton-cholesky", tol=1e-10)
    model.fit(terms / spread, table.churned)
    coefficients = zip(TERMS, model.coef_[0] / spread, strict=True)
    return Mechanism(
        table.schema,
        {INTERCEPT: _rounded(model.intercept_[0])} | {name: _rounded(log_odds) for name, log_odds in coefficients},
    )


def _rounded(value: float) -> float:
    return float(np.round(value, 6))
