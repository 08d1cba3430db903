"""A service of the Python chapkit on the port that is named, with a model that forecasts a mean."""

import sys
from pathlib import Path

import uvicorn
from chapkit import BaseConfig
from chapkit.api import MLServiceBuilder, MLServiceInfo, ModelMetadata, PeriodType
from chapkit.artifact import ArtifactHierarchy
from chapkit.data import DataFrame
from chapkit.ml import FunctionalModelRunner


class MeanConfig(BaseConfig):
    prediction_periods: int = 3
    n_samples: int = 4


async def train(config, data, geo=None):
    frame = data.to_pandas()
    if (frame["disease_cases"] < 0).any():
        raise ValueError("cases below zero")
    return {"mean": float(frame["disease_cases"].mean())}


async def predict(config, model, historic, future, geo=None):
    frame = future.to_pandas()[["time_period", "location"]]
    for at in range(config.n_samples):
        frame[f"sample_{at}"] = model["mean"] + at
    return DataFrame.from_pandas(frame)


app = (
    MLServiceBuilder(
        info=MLServiceInfo(
            id="mean",
            display_name="Mean",
            model_metadata=ModelMetadata(author="A"),
            period_type=PeriodType.monthly,
            min_prediction_periods=1,
            max_prediction_periods=12,
        ),
        config_schema=MeanConfig,
        hierarchy=ArtifactHierarchy(name="mean", level_labels={0: "ml_training", 1: "ml_prediction"}),
        runner=FunctionalModelRunner(on_train=train, on_predict=predict),
        database_url=f"sqlite+aiosqlite:///{Path(sys.argv[2]).resolve()}",
    )
    .with_monitoring(False)
    .build()
)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="critical")
