"""The app as a server: ``home.py`` with its pages, behind headers that keep the browser on this origin."""

from pathlib import Path

from starlette.middleware import Middleware
from streamlit.starlette import App

from kdcore.ui.headers import SecurityHeaders

app = App(Path(__file__).with_name("home.py"), middleware=[Middleware(SecurityHeaders)])
