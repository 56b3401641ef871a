"""The columns of the IBM Telco customer churn table."""

from sim.world.schema import Column, Schema

YES_NO = ("No", "Yes")
_PHONE_EXTRA = ("No", "No phone service", "Yes")
_INTERNET_EXTRA = ("No", "No internet service", "Yes")

SCHEMA = Schema(
    (
        Column("gender", ("Female", "Male")),
        Column("SeniorCitizen", ("0", "1")),
        Column("Partner", YES_NO),
        Column("Dependents", YES_NO),
        Column("tenure"),
        Column("PhoneService", YES_NO),
        Column("MultipleLines", _PHONE_EXTRA),
        Column("InternetService", ("DSL", "Fiber optic", "No")),
        Column("OnlineSecurity", _INTERNET_EXTRA),
        Column("OnlineBackup", _INTERNET_EXTRA),
        Column("DeviceProtection", _INTERNET_EXTRA),
        Column("TechSupport", _INTERNET_EXTRA),
        Column("StreamingTV", _INTERNET_EXTRA),
        Column("StreamingMovies", _INTERNET_EXTRA),
        Column("Contract", ("Month-to-month", "One year", "Two year")),
        Column("PaperlessBilling", YES_NO),
        Column(
            "PaymentMethod",
            ("Bank transfer (automatic)", "Credit card (automatic)", "Electronic check", "Mailed check"),
        ),
        Column("MonthlyCharges"),
        Column("TotalCharges"),
    )
)
"""The 19 features of the Telco table, in the order of its columns (customerID and Churn are not features)."""
