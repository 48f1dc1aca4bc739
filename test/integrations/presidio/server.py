"""Microsoft Presidio's engines behind the HTTP shape of its own containers, for the tests of the guardrail `presidio`.

Presidio's HTTP applications are not part of its packages on PyPI, and neither are the language models that it finds names and
places with. So this file serves the real AnalyzerEngine and the real AnonymizerEngine by Flask, with the routes, statuses and
error texts of those applications, and with all of Presidio's pattern recognizers, but with a blank pipeline of spaCy in place of
a model: PERSON, LOCATION, NRP and ORGANIZATION are not found.

    python server.py PORT    serves the analyzer's and the anonymizer's routes at one address, until it is stopped
"""

import json
import sys

import spacy
import tldextract
from flask import Flask, Response, jsonify, request
from presidio_analyzer import AnalyzerEngine, AnalyzerRequest, BatchAnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import InvalidParamError
from presidio_anonymizer.services.app_entities_convertor import AppEntitiesConvertor
from werkzeug.exceptions import BadRequest, HTTPException

# Only the list of domains that comes with the package: the tests reach no network.
tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
tldextract.extract = tldextract.tldextract.TLD_EXTRACTOR.__call__

LANGUAGES = ["en", "de"]


class BlankEngine(SpacyNlpEngine):
    """spaCy's tokenizer without a model."""

    def __init__(self):
        super().__init__(ner_model_configuration=NerModelConfiguration())
        self.nlp = {language: spacy.blank(language) for language in LANGUAGES}

    def load(self):
        """Do nothing: the pipelines are there."""


def analyzer():
    """Make the analyzer with all of its pattern recognizers."""
    engine = BlankEngine()
    registry = RecognizerRegistry(supported_languages=LANGUAGES)
    registry.load_predefined_recognizers(languages=LANGUAGES, nlp_engine=engine)
    return AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=LANGUAGES)


def create_app():
    """Make the application."""
    app = Flask(__name__)
    engine = analyzer()
    batch = BatchAnalyzerEngine(engine)
    anonymizer = AnonymizerEngine()

    @app.get("/health")
    def health():
        return "Presidio is up"

    @app.post("/analyze")
    def analyze():
        try:
            asked = AnalyzerRequest(request.get_json())
            if not asked.text:
                raise Exception("No text provided")
            if not asked.language:
                raise Exception("No language provided")
            engine.get_supported_entities(asked.language)
            texts = asked.text if isinstance(asked.text, list) else [asked.text]
            found = list(
                batch.analyze_iterator(
                    texts=texts,
                    language=asked.language,
                    correlation_id=asked.correlation_id,
                    score_threshold=asked.score_threshold,
                    entities=asked.entities,
                    return_decision_process=asked.return_decision_process,
                    ad_hoc_recognizers=asked.ad_hoc_recognizers,
                    context=asked.context,
                    allow_list=asked.allow_list,
                    allow_list_match=asked.allow_list_match,
                    regex_flags=asked.regex_flags,
                )
            )
            for results in found:
                for result in results:
                    del result.recognition_metadata
            answer = found if isinstance(asked.text, list) else found[0]
            text = json.dumps(answer, default=lambda o: o.to_dict(), sort_keys=True)
            return Response(text, content_type="application/json")
        except TypeError as e:
            return jsonify(error=f"Failed to parse /analyze request for AnalyzerEngine.analyze(). {e.args[0]}"), 400
        except Exception as e:
            return jsonify(error=str(e.args[0])), 500

    @app.post("/anonymize")
    def anonymize():
        content = request.get_json()
        if not content:
            raise BadRequest("Invalid request json")
        result = anonymizer.anonymize(
            text=content.get("text", ""),
            analyzer_results=AppEntitiesConvertor.analyzer_results_from_json(content.get("analyzer_results")),
            operators=AppEntitiesConvertor.operators_config_from_json(content.get("anonymizers")),
        )
        return Response(result.to_json(), mimetype="application/json")

    @app.errorhandler(InvalidParamError)
    def invalid(e):
        return jsonify(error=e.err_msg), 422

    @app.errorhandler(HTTPException)
    def refused(e):
        return jsonify(error=e.description), e.code

    @app.errorhandler(Exception)
    def failed(_):
        return jsonify(error="Internal server error"), 500

    return app


if __name__ == "__main__":
    create_app().run(host="127.0.0.1", port=int(sys.argv[1]), threaded=True)
