"""A small Django site: a login with a CSRF token and a session, and an upload. It keeps everything in its directory.

Usage: shop.py DIRECTORY HTTP-PORT HTTPS-PORT, with certificate.pem and key.pem in the directory.
"""

import hashlib
import os
import ssl
import sys
import threading
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import django
from django.conf import settings

directory, ports = sys.argv[1], [int(p) for p in sys.argv[2:4]]
settings.configure(
    SECRET_KEY="of a test", ALLOWED_HOSTS=["127.0.0.1"], ROOT_URLCONF=__name__, LOGIN_URL="/login/",
    LOGIN_REDIRECT_URL="/home/",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": directory + "/db"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["django.contrib." + app for app in ("auth", "contenttypes", "sessions")],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.csrf.CsrfViewMiddleware",
                "django.contrib.auth.middleware.AuthenticationMiddleware"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()

from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.template import engines
from django.urls import path

form = engines["django"].from_string("<form method=post>{% csrf_token %}{{ user }}</form>")


class Login(LoginView):
    def render_to_response(self, context, **_):
        return HttpResponse(form.render(context, self.request), status=403 if context["form"].errors else 200)


@login_required
def home(request):
    return HttpResponse(form.render({"user": request.user.username}, request))


@login_required
def upload(request):
    kept = {}
    for name, file in request.FILES.items():
        content = file.read()
        with open(os.path.join(directory, request.user.username + "-" + name), "wb") as stored:
            stored.write(content)
        kept[name] = {"name": file.name, "sha256": hashlib.sha256(content).hexdigest()}
    return JsonResponse({"user": request.user.username, "title": request.POST["title"], "files": kept})


urlpatterns = [path("login/", Login.as_view()), path("home/", home), path("upload/", upload)]


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


call_command("migrate", verbosity=0)
for i in range(1, 4):
    User.objects.create_user(f"user{i}", password=f'p&w=%+ "{i}"')
connection.close()
application = get_wsgi_application()
plain, secure = (Server(("127.0.0.1", port), Quiet) for port in ports)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(directory + "/certificate.pem", directory + "/key.pem")
secure.socket = context.wrap_socket(secure.socket, server_side=True, do_handshake_on_connect=False)
secure.base_environ["HTTPS"] = "on"
for server in (plain, secure):
    server.set_app(application)
threading.Thread(target=secure.serve_forever, daemon=True).start()
plain.serve_forever()
