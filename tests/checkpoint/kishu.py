# ruff: noqa: E501
"""The object classes that Kishu's documentation lists (its paper has 146 of data-science libraries), one value each.

A row is the library, what the list names, and code whose last line makes the value; after ` ~ ` stands what is compared
of it (`it`), where values of the class cannot be compared themselves. Several rows of one name are several on the list.
"""

from __future__ import annotations

Row = tuple[str, str, str]

_X = "import numpy as np\nx = np.abs(np.random.default_rng(0).normal(size=(30, 3)))\ny = (x[:, 0] > x[:, 1]).astype(int)\n"
_PLOT = (
    "from matplotlib.figure import Figure\nfigure = Figure()\naxes = figure.subplots()\nline, = axes.plot([1, 3, 2])\n"
)
_TORCH = "import torch\ntorch.manual_seed(0)\n"


def _model(module: str, made: str, used: str = "it.predict(x)") -> Row:
    name = made.partition("(")[0]
    return "sklearn", f"sklearn.{module}", f"{_X}from sklearn.{module} import {name}\n{made}.fit(x, y) ~ {used}"


def _changed(module: str, made: str) -> Row:
    return _model(module, made, "it.transform(x)")


ROWS: tuple[Row, ...] = (
    ("arrow", "arrow.arrow.Arrow", "import arrow\narrow.get('2020-05-05T12:00:00+02:00')"),
    (
        "astropy",
        "astropy.convolution.Box2DKernel",
        "from astropy.convolution import Box2DKernel\nBox2DKernel(3) ~ it.array",
    ),
    (
        "astropy",
        "astropy.convolution.Gaussian2DKernel",
        "from astropy.convolution import Gaussian2DKernel\nGaussian2DKernel(2) ~ it.array",
    ),
    (
        "astropy",
        "astropy.io.fits.HDUList",
        "from astropy.io import fits\nimport numpy as np\nfits.HDUList([fits.PrimaryHDU(np.arange(4.0))]) ~ it[0].data",
    ),
    (
        "astropy",
        "astropy.io.fits.PrimaryHDU",
        "from astropy.io import fits\nimport numpy as np\nfits.PrimaryHDU(np.arange(4.0)) ~ (it.data, repr(it.header))",
    ),
    (
        "astropy",
        "astropy.modeling.fitting.LinearLSQFitter",
        "from astropy.modeling.fitting import LinearLSQFitter\nLinearLSQFitter() ~ sorted(vars(it))",
    ),
    (
        "astropy",
        "astropy.modeling.functional_models.Ellipse2D",
        "from astropy.modeling.models import Ellipse2D\nEllipse2D(1, 0, 0, 2, 1) ~ it(0.5, 0.5)",
    ),
    (
        "astropy",
        "astropy.modeling.functional_models.Linear1D",
        "from astropy.modeling.models import Linear1D\nLinear1D(2, 1) ~ it(3)",
    ),
    (
        "astropy",
        "astropy.modeling.polynomial.Polynomial1D",
        "from astropy.modeling.models import Polynomial1D\nPolynomial1D(2, c1=1) ~ it(3)",
    ),
    (
        "astropy",
        "astropy.modeling.polynomial.Polynomial2D",
        "from astropy.modeling.models import Polynomial2D\nPolynomial2D(2, c1_0=1) ~ it(3, 2)",
    ),
    (
        "astropy",
        "astropy.nddata.NDData",
        "from astropy.nddata import NDData\nimport numpy as np\nNDData(np.arange(3), unit='m') ~ (it.data, str(it.unit))",
    ),
    (
        "astropy",
        "astropy.nddata.NDDataRef",
        "from astropy.nddata import NDDataRef\nimport numpy as np\nNDDataRef(np.arange(3)) ~ it.data",
    ),
    (
        "astropy",
        "astropy.stats.SigmaClip",
        "from astropy.stats import SigmaClip\nSigmaClip(2) ~ it([1, 1, 1, 1, 1, 1, 99.0])",
    ),
    ("astropy", "astropy.units.Quantity", "import astropy.units as u\n[1, 2] * u.km ~ (it.value, str(it.unit))"),
    (
        "astropy",
        "astropy.visualization.PercentileInterval",
        "from astropy.visualization import PercentileInterval\nPercentileInterval(90) ~ it([1, 2, 3.0])",
    ),
    (
        "astropy",
        "astropy.coordinates.SkyCoord",
        "from astropy.coordinates import SkyCoord\nSkyCoord(1, 2, unit='deg') ~ (it.ra.deg, it.dec.deg)",
    ),
    ("astropy", "astropy.table.QTable", "from astropy.table import QTable\nQTable({'a': [1, 2]}) ~ it.as_array()"),
    (
        "astropy",
        "astropy.visualization.mpl_normalize.ImageNormalize",
        "from astropy.visualization import ImageNormalize\nImageNormalize(vmin=0, vmax=2) ~ float(it(1.0))",
    ),
    ("astropy", "astropy.wcs.WCS", "from astropy.wcs import WCS\nWCS(naxis=2) ~ it.to_header_string()"),
    (
        "bokeh",
        "bokeh.plotting._figure.figure",
        "from bokeh.plotting import figure\nf = figure()\nc = f.line([1, 2], [1, 2])\nf ~ len(it.renderers)",
    ),
    ("dask", "dask", "import dask.array as da\nda.ones((4, 4), chunks=2) ~ it.sum().compute()"),
    ("dataprep", "dataprep.datasets", "import dataprep.datasets\ndataprep.datasets.load_dataset('iris')"),
    (
        "dataprep",
        "dataprep.eda.intermediate.Intermediate",
        "from dataprep.eda.intermediate import Intermediate\nIntermediate(a=1)",
    ),
    ("dill", "dill", "import dill\ndill.dumps"),
    ("gymnasium", "gym", "import gymnasium\ngymnasium.make('CartPole-v1') ~ it.reset(seed=1)[0]"),
    (
        "keras",
        "keras.initializers.RandomNormal",
        "import keras\nkeras.initializers.RandomNormal(seed=1) ~ it.get_config()",
    ),
    (
        "keras",
        "keras.initializers.RandomUniform",
        "import keras\nkeras.initializers.RandomUniform(seed=1) ~ it.get_config()",
    ),
    ("keras", "keras.layers.Dense", "import keras\nkeras.layers.Dense(3) ~ it.get_config()"),
    (
        "keras",
        "keras.optimizers.schedules.ExponentialDecay",
        "import keras\nkeras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.9) ~ it.get_config()",
    ),
    (
        "llm",
        "llm.default_plugins.openai_models.Chat",
        "from llm.default_plugins.openai_models import Chat\nChat('gpt-4') ~ it.model_id",
    ),
    (
        "lmfit",
        "lmfit.parameter.Parameters",
        "import lmfit\np = lmfit.Parameters()\np.add('a', 2, min=0)\np ~ it.dumps()",
    ),
    (
        "matplotlib",
        "matplotlib.colors.ListedColormap",
        "from matplotlib.colors import ListedColormap\nListedColormap(['r', 'b'])",
    ),
    (
        "matplotlib",
        "matplotlib.dates.AutoDateFormatter",
        "import matplotlib.dates as d\nd.AutoDateFormatter(d.AutoDateLocator()) ~ it(18000.0)",
    ),
    (
        "matplotlib",
        "matplotlib.dates.WeekdayLocator",
        "import matplotlib.dates as d\nd.WeekdayLocator(2) ~ it.rule._construct",
    ),
    (
        "matplotlib",
        "matplotlib.ticker.AutoLocator",
        "from matplotlib.ticker import AutoLocator\nAutoLocator() ~ it.tick_values(0, 5)",
    ),
    ("matplotlib", "matplotlib.Axes", f"{_PLOT}axes ~ it.figure"),
    ("matplotlib", "matplotlib.Axes", f"{_PLOT}figure.subplots(2, 2) ~ it[0, 0].figure"),
    (
        "matplotlib",
        "matplotlib.colors.BoundaryNorm",
        "from matplotlib.colors import BoundaryNorm\nBoundaryNorm([0, 1, 2], 2) ~ int(it(1.5))",
    ),
    ("matplotlib", "matplotlib.lines.Line2D", f"{_PLOT}line ~ it.get_ydata()"),
    (
        "matplotlib",
        "matplotlib.patches.Ellipse",
        "from matplotlib.patches import Ellipse\nEllipse((0, 0), 1, 2) ~ it.get_path().vertices",
    ),
    (
        "matplotlib",
        "matplotlib.patches.Arrow",
        "from matplotlib.patches import Arrow\nArrow(0, 0, 1, 2) ~ it.get_path().vertices",
    ),
    ("matplotlib", "matplotlib.image.AxesImage", f"{_PLOT}axes.imshow([[1, 2], [3, 4]]) ~ it.get_array()"),
    ("matplotlib", "matplotlib.image.FigureImage", f"{_PLOT}figure.figimage([[1, 2], [3, 4]]) ~ it.get_array()"),
    (
        "matplotlib",
        "matplotlib.offsetbox.AnchoredOffsetbox",
        "from matplotlib.offsetbox import AnchoredText\nAnchoredText('a', 'upper left') ~ it.txt.get_text()",
    ),
    (
        "matplotlib",
        "mpl_toolkits.mplot3d.art3d.Line3DCollection",
        "from mpl_toolkits.mplot3d.art3d import Line3DCollection\nLine3DCollection([[(0, 0, 0), (1, 1, 1)]]) ~ len(it._segments3d)",
    ),
    ("networkx", "networkx.classes.digraph.DiGraph", "import networkx as nx\nnx.DiGraph([(1, 2)]) ~ sorted(it.edges)"),
    (
        "networkx",
        "networkx.classes.graph.Graph",
        "import networkx as nx\nnx.Graph([(1, 2)], n=1) ~ (sorted(it.edges), it.graph)",
    ),
    ("numpy", "ast", "import ast\nast.parse('a = 1')"),
    ("numpy", "copy", "import copy\ncopy.deepcopy"),
    ("numpy", "datetime.time", "import datetime\ndatetime.time(1, 2)"),
    ("numpy", "datetime.timedelta", "import datetime\ndatetime.timedelta(1, 2)"),
    ("numpy", "hashlib", "import hashlib\nhashlib.sha256(b'a')"),
    ("numpy", "itertools", "import itertools\nitertools.count(3)"),
    ("numpy", "json", "import json\njson"),
    ("numpy", "numpy.ndarray", "import numpy as np\nnp.arange(6).reshape(2, 3)"),
    ("numpy", "numpy.ndarray", "import numpy as np\nnp.array([1, 'a', None], object)"),
    ("numpy", "pickle", "import pickle\npickle.dumps([1])"),
    ("numpy", "random.Random", "import random\nrandom.Random(3)"),
    ("numpy", "urllib.request.Request", "import urllib.request\nurllib.request.Request('http://a/b') ~ it.full_url"),
    ("numpy", "uuid.UUID", "import uuid\nuuid.UUID(int=3)"),
    ("numpy", "re.Pattern", "import re\nre.compile('a+')"),
    ("cv2", "cv2", "import cv2\nimport numpy as np\ncv2.GaussianBlur(np.ones((4, 4)), (3, 3), 0)"),
    ("pandas", "pandas.DataFrame", "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})"),
    ("pandas", "pandas.Series", "import pandas as pd\npd.Series([1, 2], name='s')"),
    ("pathlib", "pathlib.PosixPath", "import pathlib\npathlib.Path('x')"),
    (
        "photutils",
        "photutils.psf.matching.CosineBellWindow",
        "from photutils.psf_matching import CosineBellWindow\nCosineBellWindow(0.5) ~ it((5, 5))",
    ),
    (
        "photutils",
        "photutils.psf.matching.HanningWindow",
        "from photutils.psf_matching import HanningWindow\nHanningWindow() ~ it((5, 5))",
    ),
    (
        "photutils",
        "photutils.utils.CutoutImage",
        "from photutils.utils import CutoutImage\nimport numpy as np\nCutoutImage(np.ones((9, 9)), (4, 4), (3, 3)) ~ it.data",
    ),
    (
        "photutils",
        "photutils.utils.ImageDepth",
        "from photutils.utils import ImageDepth\nImageDepth(3, nsigma=2) ~ it.nsigma",
    ),
    (
        "plotly",
        "plotly.io",
        "import json, plotly.io as pio\npio.templates['plotly'] ~ json.dumps(it.to_plotly_json(), sort_keys=True)",
    ),
    ("plotly", "plotly.offline", "import plotly.offline as o\no.get_plotlyjs_version()"),
    (
        "plotly",
        "plotly.express",
        "import json, plotly.express as px\npx.scatter(x=[1, 2], y=[2, 1]) ~ json.dumps(json.loads(it.to_json()), sort_keys=True)",
    ),
    (
        "plotly",
        "plotly.graph_objects",
        "import json, plotly.graph_objects as go\ngo.Figure(go.Bar(y=[1, 2])) ~ json.dumps(json.loads(it.to_json()), sort_keys=True)",
    ),
    (
        "plotly",
        "plotly.figure_factory",
        "import json, plotly.figure_factory as ff\nff.create_table([['a'], [1]]) ~ json.dumps(json.loads(it.to_json()), sort_keys=True)",
    ),
    ("plotly", "plotly.graph_objs", "import plotly.graph_objs as go\ngo.Scatter(y=[1, 2]) ~ it.to_plotly_json()"),
    (
        "plotly",
        "plotly.subplots",
        "import json\nfrom plotly.subplots import make_subplots\nmake_subplots(2, 1) ~ json.dumps(json.loads(it.to_json()), sort_keys=True)",
    ),
    ("polars", "polars.DataFrame", "import polars as pl\npl.DataFrame({'a': [1, None]})"),
    ("prophet", "prophet.Prophet", "import prophet\nprophet.Prophet() ~ it.growth"),
    (
        "pyspark",
        "pyspark.sql",
        "from pyspark.sql.types import StructType, LongType\nStructType().add('a', LongType()) ~ it.json()",
    ),
    ("skimage", "skimage", "from skimage.transform import AffineTransform\nAffineTransform(scale=2) ~ it.params"),
    ("skimage", "skimage.morphology", "from skimage.morphology import disk\ndisk(3)"),
    ("sklearn", "sklearn.datasets", "from sklearn.datasets import load_iris\nload_iris() ~ it.data"),
    (
        "sklearn",
        "sklearn.datasets",
        "from sklearn.datasets import make_classification\nmake_classification(20, random_state=1)",
    ),
    (
        "sklearn",
        "sklearn.feature_extraction.text",
        "from sklearn.feature_extraction.text import TfidfVectorizer\nTfidfVectorizer().fit(['a bb', 'bb cc']) ~ it.transform(['bb']).toarray()",
    ),
    (
        "sklearn",
        "sklearn.metrics",
        "from sklearn.metrics import make_scorer, accuracy_score\nmake_scorer(accuracy_score) ~ repr(it)",
    ),
    (
        "sklearn",
        "sklearn.metrics.pairwise",
        f"{_X}from sklearn.metrics.pairwise import cosine_similarity\ncosine_similarity(x)",
    ),
    (
        "sklearn",
        "sklearn.model_selection",
        f"{_X}from sklearn.model_selection import train_test_split\ntrain_test_split(x, y, random_state=1)",
    ),
    ("sklearn", "sklearn.utils", "from sklearn.utils import Bunch\nBunch(a=1)"),
    _model("cluster", "KMeans(2, n_init=1, random_state=1)"),
    _model("cluster", "DBSCAN()", "it.labels_"),
    (
        "sklearn",
        "sklearn.compose",
        f"{_X}from sklearn.compose import ColumnTransformer\nfrom sklearn.preprocessing import StandardScaler\nColumnTransformer([('a', StandardScaler(), [0])]).fit(x) ~ it.transform(x)",
    ),
    _changed("decomposition", "PCA(2)"),
    _model("discriminant_analysis", "LinearDiscriminantAnalysis()"),
    _model("dummy", "DummyClassifier()"),
    _model("ensemble", "RandomForestClassifier(3, random_state=0)"),
    _changed("feature_selection", "SelectKBest(k=1)"),
    _changed("impute", "SimpleImputer()"),
    _changed("impute", "KNNImputer()"),
    _changed("impute", "MissingIndicator()"),
    _model("kernel_ridge", "KernelRidge()", "it.predict(x + 1)"),
    _model("linear_model", "LinearRegression()"),
    _model("linear_model", "LogisticRegression()"),
    _model("manifold", "TSNE(perplexity=3, random_state=0)", "it.embedding_"),
    _model("mixture", "GaussianMixture(random_state=0)"),
    (
        "sklearn",
        "sklearn.multiclass",
        f"{_X}from sklearn.multiclass import OneVsRestClassifier\nfrom sklearn.naive_bayes import GaussianNB\nOneVsRestClassifier(GaussianNB()).fit(x, y) ~ it.predict(x)",
    ),
    _model("naive_bayes", "GaussianNB()"),
    _model("neighbors", "KNeighborsClassifier()"),
    _model("neural_network", "MLPClassifier((3,), max_iter=3, random_state=0)"),
    (
        "sklearn",
        "sklearn.pipeline",
        f"{_X}from sklearn.pipeline import make_pipeline\nfrom sklearn.linear_model import Ridge\nmake_pipeline(Ridge()).fit(x, y) ~ it.predict(x)",
    ),
    _changed("preprocessing", "StandardScaler()"),
    _changed("random_projection", "GaussianRandomProjection(2, random_state=0)"),
    _model("svm", "SVC()"),
    _model("tree", "DecisionTreeClassifier(random_state=0)"),
    (
        "scipy",
        "scipy.interpolate",
        "from scipy.interpolate import CubicSpline\nCubicSpline([0, 1, 2], [0, 1, 0]) ~ it(0.5)",
    ),
    ("scipy", "scipy.ndimage", "from scipy import ndimage\nndimage.gaussian_filter([[1.0, 2], [3, 4]], 1)"),
    ("scipy", "scipy.ndimage.interpolate", "from scipy import ndimage\nndimage.zoom([[1.0, 2], [3, 4]], 2)"),
    (
        "scipy",
        "scipy.optimize",
        "from scipy.optimize import minimize_scalar\nminimize_scalar(lambda v: (v - 1) ** 2) ~ it.x",
    ),
    ("scipy", "scipy.signal", "from scipy import signal\nsignal.lti([1], [1, 2]) ~ it.freqresp()[1]"),
    ("scipy", "scipy.signal.windows", "from scipy.signal.windows import hann\nhann(5)"),
    ("scipy", "scipy.sparse", "import scipy.sparse as sp\nsp.random(9, 9, 0.3, 'csr', random_state=1)"),
    (
        "scipy",
        "scipy.spatial",
        "from scipy.spatial import ConvexHull\nConvexHull([[0, 0], [1, 0], [0, 1], [0.2, 0.2]]) ~ it.vertices",
    ),
    ("scipy", "scipy.spatial", "from scipy.spatial import KDTree\nKDTree([[0, 0], [1, 1]]) ~ it.query([0.4, 0])"),
    ("scipy", "scipy.spatial.distance", "from scipy.spatial.distance import pdist\npdist([[0, 0], [1, 1.0]])"),
    (
        "scipy",
        "scipy.spatial.distance._hausdorff",
        "from scipy.spatial.distance import directed_hausdorff\ndirected_hausdorff([[0, 0]], [[1, 1.0]])",
    ),
    ("scipy", "scipy.special", "from scipy import special\nspecial.legendre(3) ~ it(0.5)"),
    ("scipy", "scipy.stats", "from scipy import stats\nstats.norm(1, 2) ~ it.pdf(0.5)"),
    ("seaborn", "seaborn", "import seaborn\nseaborn.color_palette('deep', 3) ~ list(it)"),
    ("statsmodels", "statsmodels.api", f"{_X}import statsmodels.api as sm\nsm.OLS(y, x).fit() ~ it.params"),
    ("tensorflow", "tensorflow", "import tensorflow as tf\ntf.constant([1, 2]) ~ it.numpy()"),
    (
        "tensorflow",
        "tensorflow.keras.models",
        "import tensorflow as tf\ntf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(1)]) ~ it.get_weights()",
    ),
    (
        "tensorflow",
        "tensorflow.keras.optimizers",
        "import tensorflow as tf\ntf.keras.optimizers.Adam(0.1) ~ it.get_config()",
    ),
    ("textblob", "textblob.TextBlob", "from textblob import TextBlob\nTextBlob('a word')"),
    ("torch", "torch", f"{_TORCH}torch.rand(3) ~ it.numpy()"),
    ("torch", "torch.nn", f"{_TORCH}torch.nn.Linear(2, 1) ~ it.weight.detach().numpy()"),
    ("torch", "torch.nn.functional", f"{_TORCH}torch.nn.functional.relu(torch.randn(3)) ~ it.numpy()"),
    (
        "torch",
        "torch.utils.data",
        f"{_TORCH}from torch.utils.data import *\nTensorDataset(torch.ones(3)) ~ it[0][0].item()",
    ),
    (
        "torch",
        "torch.optim",
        f"{_TORCH}torch.optim.Adam(torch.nn.Linear(2, 1).parameters(), 0.1) ~ it.param_groups[0]['lr']",
    ),
    ("transformers", "huggingface", "import transformers\ntransformers.BertConfig() ~ it.to_dict()"),
    (
        "transformers",
        "transformers",
        f"{_TORCH}import transformers\nc = transformers.BertConfig(hidden_size=8, num_attention_heads=2, num_hidden_layers=1, intermediate_size=8, vocab_size=20)\ntransformers.BertModel(c) ~ [p.detach().numpy() for p in it.parameters()]",
    ),
    ("tokenizers", "tokenizers", "from tokenizers import Tokenizer, models\nTokenizer(models.BPE()) ~ it.to_str()"),
    ("typing", "typing", "import typing\ntyping.List[int]"),
    (
        "wordcloud",
        "wordcloud.WordCloud",
        "from wordcloud import WordCloud\nWordCloud(random_state=1).generate_from_frequencies({'a': 1, 'b': 2}) ~ it.words_",
    ),
    ("qiskit", "qiskit.QuantumCircuit", "from qiskit import QuantumCircuit\nc = QuantumCircuit(2)\nr = c.h(0)\nc"),
    ("ipywidgets", "ipywidgets", "import ipywidgets\nipywidgets.IntSlider(3)"),
    (
        "catboost",
        "catboost",
        f"{_X}import catboost\ncatboost.CatBoostRegressor(iterations=3, verbose=0, allow_writing_files=False).fit(x, y) ~ it.predict(x)",
    ),
    (
        "gensim",
        "gensim",
        "from gensim.models import Word2Vec\nWord2Vec([['a', 'b'], ['b', 'c']], min_count=1, seed=1, workers=1) ~ it.wv['a']",
    ),
    (
        "optuna",
        "optuna.Study",
        "import optuna\noptuna.create_study(sampler=optuna.samplers.RandomSampler(1)) ~ it.direction",
    ),
    (
        "nltk",
        "nltk.stem.porter.PorterStemmer",
        "from nltk.stem.porter import PorterStemmer\nPorterStemmer() ~ it.stem('running')",
    ),
    ("lightgbm", "lightgbm.basic.Dataset", f"{_X}import lightgbm\nlightgbm.Dataset(x, y) ~ it.get_label()"),
)
