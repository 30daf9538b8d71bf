from django.urls import path

from shop.catalog import views

urlpatterns = [path("prices", views.prices), path("report", views.report)]
