"""The app as a server: ``pages/0_Home.py`` with its menu, behind headers that keep the browser on this origin."""

from starlette.middleware import Middleware
from streamlit.starlette import App

from kdcore.resources import MAIN
from kdcore.ui.headers import SecurityHeaders

app = App(MAIN, middleware=[Middleware(SecurityHeaders)])
