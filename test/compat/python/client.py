"""chap-core's own client. Reads calls from stdin and prints their results, each as a line of JSON."""

import json
import logging
import sys

import numpy as np
import xarray
from chap_core.models.external_chapkit_model import ExternalChapkitModelTemplate
from chap_core.models.utils import get_model_template_from_directory_or_github_url
from chap_core.spatio_temporal_data.temporal_dataclass import DataSet

logging.disable(logging.CRITICAL)


def detect(url):
    """What chap-core makes of a URL."""
    template = get_model_template_from_directory_or_github_url(url)
    config, commit = template.get_model_template_config_with_digest()
    return {"kind": type(template).__name__, "template": config.model_dump(mode="json"), "commit": commit}


def configure(url, configuration):
    """Stores a configuration, and checks what comes back."""
    with ExternalChapkitModelTemplate(url) as template:
        model = template.get_model(configuration)
        stored = {str(each.id): each.data.model_dump() for each in template.client.list_configs()}
        return stored[model.configuration_id]


def forecast(url, configuration, data, periods):
    """Trains with all but the last periods, and forecasts those."""
    with ExternalChapkitModelTemplate(url) as template:
        template.wait_for_healthy()
        whole = DataSet.from_csv(data)
        until = whole.period_range[-periods - 1]
        historic = whole.restrict_time_period(slice(None, until))
        rest = whole.restrict_time_period(slice(whole.period_range[-periods], None))
        future = rest.remove_field("disease_cases")
        model = template.get_model(configuration, prediction_length=periods)
        model.train(historic)
        samples = model.predict(historic, future)
        return {
            str(location): {
                "periods": [str(each.id) for each in series.time_period],
                "samples": series.samples.tolist(),
            }
            for location, series in samples.items()
        }


def evaluation(file):
    """What chap-core has written of an evaluation."""
    with xarray.open_dataset(file) as opened:
        return {
            "sizes": {str(name): size for name, size in opened.sizes.items()},
            "horizons": opened.horizon_distance.values.tolist(),
            "finite": int(np.isfinite(opened.forecast.values).sum()),
            "locations": opened.location.values.tolist(),
            "version": opened.attrs["model_version"],
        }


operations = {each.__name__: each for each in (detect, configure, forecast, evaluation)}

# What libraries print must not come between the lines of results.
results = sys.stdout
sys.stdout = sys.stderr
for line in sys.stdin:
    call = json.loads(line)
    try:
        answer = {"result": operations[call["operation"]](**call["arguments"])}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), file=results, flush=True)
